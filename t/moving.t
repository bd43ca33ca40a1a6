#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A site moves from one Redis to a cluster while it runs, by the commands of docs/operations.md as they stand there: what
# was acknowledged before, between and afterwards is there, once; what could not be saved meanwhile is recorded; nobody
# is asked again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Basename qw(dirname);
use JSON::PP ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('moving', workers => 2);
my $redis = $t->redis;
my $site = $t->site;
my $keys = $t->keys_dir;
my ($address, $port) = split /:/, $t->listen('redis');
delete $t->{ports}{redis};
$redis->start("port $port", "bind $address");
$t->upstream(sub {
    my ($request) = @_;
    my ($user) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => ['Content-Type' => 'text/html', defined $user ? ('X-Privacy-User' => $user) : ()],
        body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});
$t->publish($t->bundle);
my $config = site_conf(<<'CONF');
    privacy_lease 2s grace=1h;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "$privacy_subject" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
$t->config($config, REDIS => "redis://$address:$port");
$t->start;

my ($network, %records) = (0);
sub visitor { return $t->visitor(headers => ['Accept-Language' => 'en', 'X-Real-IP' => join '.', 10, 7, ++$network, 1]) }
sub choose {
    my ($v, $what) = @_;
    $v->get($v->{chose}++ ? '/privacy/choices' : '/');
    my $status = $v->choose($what)->status;
    $records{$v->get('/')->header('X-Subject')}++ if $status == 303;
    return $status;
}
sub consent { return $_[0]->get('/')->header('X-Consent') }

# The site of before: visitors, a user who is told something and answers

my @visitors = map { visitor() } 1 .. 20;
is(choose($_, 'accept_all'), 303, 'a choice') for @visitors;
my $alice = visitor();
$alice->jar->{sessionid} = 'alice';
$alice->get('/') for 1 .. 2;
is(choose($alice, 'accept_all'), 303, 'a user chooses');
spew($t->dir . '/notice.json', JSON::PP->new->utf8->encode({ kind => 'announcement', texts => {
    map { $_ => { title => 'About us', summary => 'What is said.' } } qw(en zh-CN) } }));
my ($failed, $out) = $t->ctl('notice', 'send', $t->dir . '/notice.json', $t->ctl_site, '--key', "$keys/$site.key", '--yes');
is($failed, 0, '... is sent something') or diag $out;
ok(wait_for(sub { $alice->get('/')->body =~ /data-notice="n1"/ }, 20), '... sees it');
my %form = $alice->form;
is($alice->post('/privacy/notices/n1/ack', { %form, answer => 'acknowledge' })->status, 303, '... and answers');

# The commands of the docs; the addresses are those that there are here

my $cluster = Test::Privacy::Cluster->new($t->dir . '/cluster', masters => 3, address => $t->address);
my ($section) = slurp($t->root . '/docs/operations.md') =~ /^## Moving to a cluster\n(.*?)(?=^## )/ms;
my ($first, $second) = $section =~ /^```sh\n(.*?)^```$/msg;
my @commands = split /\n/, $first;
is(scalar(grep { /^privacyctl backup .*\| privacyctl restore/ } @commands), 2, 'two passes');
my $desk = $t->dir . '/desk';
mkdir $desk;
symlink "$keys/$_", "$desk/$_" for "$site.pub", 'keys';
$ENV{PATH} = dirname($t->{ctl}) . ":$ENV{PATH}";
my $setting = '';
sub run {
    my ($command) = @_;
    if ($command =~ /^(OLD|NEW)=/) {
        $setting .= "$1=" . ($1 eq 'OLD' ? "redis://$address:$port" : $cluster->url) . "\n";
        return (0, '');
    }
    return Test::Privacy::_run({}, 'sh', '-c', 'cd "$0" && eval "$1"', $desk, "$setting$command");
}

my $passes = 0;
my ($late, $shy);
for my $command (@commands) {
    ($failed, $out) = run($command);
    is($failed, 0, $command) or diag $out;
    like($out, qr/ 0 conflicts$/m, '... without conflicts') if $command =~ /restore/;
    if ($command =~ /restore/ && !$passes++) {
        is(choose($_, 'reject_all'), 303, 'chosen between the passes') for @visitors[0 .. 4];
        push @visitors, visitor();
        is(choose($visitors[-1], 'accept_all'), 303, '... by somebody who is new, too');
    }
    if ($command =~ /CONFIG SET/) {
        ($late, $shy) = (visitor(), visitor());
        is(choose($late, 'accept_all'), 503, 'while writes are refused: an accept is not saved');
        is(choose($shy, 'reject_all'), 503, '... nor is a refusal');
        is(choose($visitors[5], 'withdraw'), 503, '... nor a withdrawal');
        is(consent($visitors[5]), '<>', '... which is in effect');
        is(consent($visitors[6]), '<analytics,marketing>', '... what was chosen holds');
    }
}

# Nodes get the new address

$t->config($config, REDIS => $cluster->url);
ok($t->reload, 'reloaded with the address of the cluster');
ok(wait_for(sub { json($t->get('/status')->body)->{redis}{topology} eq 'cluster' }, 20), 'nginx speaks to the cluster');
ok(wait_for(sub { choose($late, 'accept_all') == 303 }, 20), 'choices are saved again');
sleep 2.1;
$_->get('/') for @visitors, $shy;
sleep 0.5;
is(consent($_), '<>', 'who refused has refused') for @visitors[0 .. 5];
is(consent($_), '<analytics,marketing>', 'who agreed has agreed') for @visitors[6 .. 20], $late;
is(consent($alice), '<analytics,marketing>', '... so has the user');
unlike($alice->get('/')->body, qr/data-notice="n1"/, '... who is not told again');
sub length_of {
    my ($subject) = @_;
    my $key = "privacy:{$site:$subject}:ledger";
    return $cluster->node_of($key)->command('HLEN', $key);
}
my $withdrawn = $visitors[5]->get('/')->header('X-Subject');
$records{$withdrawn}++;
$records{$shy->get('/')->header('X-Subject')}++;
ok(wait_for(sub { $_->get('/') for $visitors[5], $shy; !grep { length_of($_) != $records{$_} } keys %records }, 20),
    'every record is there, once, also of what could not be saved');
is(json($t->get('/status')->body)->{sites}[0]{counters}{ledger_missing}, 0, 'nobody misses a ledger');
is_deeply([grep { $_->get('/')->body =~ /id="privacy-banner"/ } @visitors, $alice, $late, $shy], [],
    'nobody is asked again');

for my $command (split /\n/, $second) {
    ($failed, $out) = run($command);
    is($failed, 0, $command) or diag $out;
}
like($out, qr/every chain holds/, 'and every chain holds') or diag $out;

$t->stop;
$cluster->stop;
$t->finish;
