#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Streams grow old in a moment: nginx's monotonic clock is put ahead. They last eight to ten minutes, end not all at once,
# and who comes back has to be logged in still, and is told what was said meanwhile, and nothing twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use JSON::PP ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Events;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);
use Fault;

my $streams = 40;

my $f = Fault->new('streams', workers => 1);
my $t = $f->t;
my $dir = $t->dir;
$t->redis->start;
$t->upstream(sub {
    my ($user) = (Test::Privacy::Upstream::header($_[0], 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => ['Content-Type' => 'text/html', $user ? ('X-Privacy-User' => $user) : ()],
        body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF

my $clock = "$dir/clock";
spew($clock, pack 'qq', 0, 0);
chmod 0644, $clock;
sub older { open my $out, '+<:raw', $clock or die $!; syswrite $out, pack 'qq', 0, $_[0]; close $out }
$f->preload('clock', 'FAULT_CLOCK', $clock, sub { $t->start });

sub announce {
    my ($title) = @_;
    my %text = (title => $title, summary => 's');
    spew("$dir/n.json", JSON::PP->new->utf8->encode({ kind => 'announcement', texts => { 'zh-CN' => \%text, en => \%text } }));
    my ($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', $t->keys_dir . "/$t->{site}.key", '--json',
        "$dir/n.json");
    die "notice send: $out" if $status;
    return json($out)->{id};
}
sub user {
    my ($name) = @_;
    my $v = $t->visitor;
    $v->jar->{sessionid} = $name;
    $v->get('/');
    return $v;
}
sub ids { return map { $_->{json}{id} } grep { $_->{event} eq 'notice' } @_ }

my $opened = time;
my @readers = map { my $v = user("u$_"); { user => $v, stream => events($v), told => {} } } 1 .. $streams;
$_->{stream}->next('hello') for @readers;
my $first = announce('First');
is(scalar(grep { my $event = $_->{stream}->next('notice'); $event && $event->{json}{id} eq $first } @readers), $streams,
    'all streams hear what is said');

# How many have ended by then, when the first one is so old; those that have not are told that they are not forgotten
sub ended_at {
    my ($age) = @_;

    my %comments = map { $_ => $_->{stream}->comments } @readers;
    older($age - (time - $opened));
    my $ended = 0;
    wait_for(sub {
        $_->{stream}->quiet(0.01) for @readers;
        $ended = grep { $_->{stream}{closed} } @readers;
        return $streams == grep { $_->{stream}{closed} || $_->{stream}->comments > $comments{$_} } @readers;
    }, 20) or diag('some say nothing');
    return $ended;
}

is(ended_at(470), 0, 'before eight minutes none ends');
my $some = ended_at(540);
cmp_ok($some, '>', 0, 'after nine some have');
cmp_ok($some, '<', $streams, '... and not all');
is(ended_at(630 + time - $opened), $streams, 'after ten, and what is between two comments, all have');
is($f->counter('streams_capped'), $streams, 'the status says so');

# Who comes back

my $second = announce('Second');
my ($left, @stayed) = @readers;
delete $left->{user}->jar->{sessionid};
is(events($left->{user}, last => $left->{stream}->last)->status, 204, 'who has logged out has no stream any more');
my @told;
for my $reader (@stayed) {
    my $again = events($reader->{user}, last => $reader->{stream}->last);
    $again->next('hello');
    push @told, join ' ', ids($again->next('notice') // ());
    $reader->{stream} = $again;
}
is_deeply(\@told, [($second) x @stayed], 'who is still there is told what was said meanwhile, and nothing else');
is_deeply([map { ids($_->{stream}->quiet(0.01)) } @stayed], [], '... once');

$f->finish;
