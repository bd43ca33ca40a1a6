#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Two nodes with one Redis and one key file: what one records, publishes or hears of holds on the other, in the time
# that is promised, also when a wake-up was lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $a = Test::Privacy->new('node-a');
my $b = Test::Privacy->new('node-b', workers => 2);
$a->redis->start;
$a->upstream(sub {
    my ($request) = @_;
    my @headers = ('Content-Type' => 'text/html');
    push @headers, 'X-Privacy-User' => $1
        if (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => \@headers, body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});
$a->publish($a->bundle);

my $config = site_conf(<<'CONF');
    privacy_lease 3s grace=3s;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-State "$privacy_state" always;
    add_header X-Version "$privacy_version" always;
    add_header X-Subject "$privacy_subject" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
system('cp', '-a', $a->keys_dir, $b->dir . '/keys') == 0 or die 'no keys for the second node';
$a->config($config);
$b->config($config, REDIS => $a->redis->url, UPSTREAM => 'http://unix:' . $a->dir . '/upstream.sock:');
$b->{published} = 1;
$_->start for $a, $b;
ok($b->each_worker(sub { $_[0]{sites}[0]{version} }), 'the second node has the policy from Redis');
ok($_->listening, '... and is woken, as the first one is') for $b, $a;

# A visitor of a site that is behind a balancer: the same jar, now one node, now the other

sub on { my ($v, $node) = @_; $v->{peer} = $node->listen; return $v }
sub consent { return $_[0]->header('X-Consent') }

my $v = $a->visitor;
$v->get('/');
is($v->choose('accept_all')->status, 303, 'a choice on one node');
is(consent(on($v, $b)->get('/')), '<analytics,marketing>', 'holds on the other at once');
my $subject = $v->page->header('X-Subject');

# The form of one node, sent to the other

$v->get('/privacy/choices');
is(on($v, $a)->choose('custom', purpose => ['analytics'])->status, 303, 'a form that the other node showed');
is(consent($v->get('/')), '<analytics>', 'is taken');

# Withdrawal: the cookie of before is worth nothing anywhere within two seconds

my $granted = $v->consent;
sub replay { my ($node) = @_; return consent($node->get('/', Cookie => "privacy=$granted")) }

is(replay($b), '<analytics>', 'the other node trusts the cookie');
$v->get('/privacy/choices');
is($v->choose('withdraw')->status, 303, 'a withdrawal');
is(replay($a), '<>', 'holds here at once');
my $begin = time;
ok(wait_for(sub { replay($b) eq '<>' && replay($b) eq '<>' }, 2), 'and on the other node within two seconds');
note(sprintf 'after %.3f s', time - $begin);

# The same with the wake-up lost: within the lease

$v->get('/privacy/choices');
is($v->choose('accept_all')->status, 303, 'accepted again');
$granted = $v->consent;
is(replay($b), '<analytics,marketing>', 'the other node knows it');

$a->redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
$v->get('/privacy/choices');
is($v->choose('withdraw')->status, 303, 'withdrawn while nobody listened');
ok(wait_for(sub { replay($b) eq '<>' }, 8), 'the other node finds out by its lease');
ok($_->listening, '... and is woken again') for $b, $a;

# Two devices, two nodes, at the same moment: both are in the chain, in one order

$v->get('/privacy/choices');
my @choices = (['analytics'], ['marketing'], ['profile'], ['analytics', 'profile']);
my @devices = map { my $device = $_ % 2 ? $a->visitor : $b->visitor; %{$device->jar} = %{$v->jar}; $device } 0 .. 3;
$_->get('/privacy/choices') for @devices;
my @children = map {
    my $number = $_;
    my $pid = fork // die $!;
    if (!$pid) {
        my $r = $devices[$number]->choose('custom', purpose => $choices[$number]);
        POSIX::_exit($r->status == 303 ? 0 : $r->status == 409 ? 1 : 2);
    }
    $pid;
} 0 .. 3;
my %ended;
for my $pid (@children) {
    waitpid $pid, 0;
    $ended{$? >> 8}++;
}
cmp_ok($ended{0} // 0, '>=', 1, 'choices at the same moment: at least one is saved');
is($ended{2} // 0, 0, 'the others too, or refused with a fresh form');

my ($status, $said) = $a->ctl('ledger', $subject, $a->ctl_site, '--keys', $a->keys_dir . '/keys');
is($status, 0, 'the chain verifies') or diag($said);
my $length = $a->redis->command('HLEN', "privacy:{example:$subject}:ledger");
is($length, 5 + $ended{0}, 'one record a choice that was acknowledged');

# A user's choice follows to another node

my $alice = $a->visitor;
$alice->jar->{sessionid} = 'alice';
$alice->get('/');
$alice->get('/');
is($alice->choose('accept_all')->status, 303, 'a user chooses on one node');
my $phone = $b->visitor;
$phone->jar->{sessionid} = 'alice';
$phone->get('/');
# its first page may go on without Redis, where it takes its time
ok(wait_for(sub { consent($phone->get('/')) eq '<analytics,marketing>' }), 'her second device talks to the other');
unlike($phone->page->body, qr/id="privacy-banner"/, 'and is not asked');

$alice->get('/privacy/choices');
is($alice->choose('withdraw')->status, 303, 'she withdraws on the first');
ok(wait_for(sub { consent($phone->get('/')) eq '<>' }, 2), 'which reaches the second within two seconds');

# Publication: in force in every worker of every node within one second

$a->publish($a->bundle(version => '2026-02-01',
    changes => [{ kind => 'editorial', summary => { 'zh-CN' => 'x', en => 'x' } }]));
$begin = time;
ok(wait_for(sub {
    return !grep { $_->get('/')->header('X-Version') ne '2026-02-01' } $a, ($b) x 8;
}, 1), 'a publication is in force everywhere within a second');
note(sprintf 'after %.3f s', time - $begin);

# Redis emptied behind our back: old cookies are undecided after the lease, and the status says what is wrong

$v = $a->visitor;
$v->get('/');
$v->choose('accept_all');
is(consent($v->get('/')), '<analytics,marketing>', 'one more choice');
$granted = $v->consent;
$a->redis->command('FLUSHALL');
ok(wait_for(sub { replay($a) eq '<>' && replay($b) eq '<>' }, 10), 'Redis emptied: its cookie counts for nothing');
is($a->get('/')->header('X-Version'), '2026-02-01', 'the policy stays in force');
$a->redis->command('PUBLISH', 'privacy:example:events', 'published 3');
ok(wait_for(sub { $a->get('/status')->body =~ /"log_missing":\s*(?:true|1)/ }, 20), 'the status says so');

$b->stop;
is_deeply([$b->problems], [], 'nothing alarming in the logs of the second node');
$b->{finished} = $b->{clean} = 1;
$a->finish;
