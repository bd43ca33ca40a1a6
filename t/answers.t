#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What may come back from Redis instead of the answer: every error that it knows, nonsense, and answers that break off
# or trickle in. Pages are served, nothing is said to be saved that is not, what may have been written is written once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Time::HiRes qw(sleep time);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch qw(took);
use Test::Privacy::Wire;

my $t = Test::Privacy->new('answers');
$t->redis->start;
my $wire = Test::Privacy::Wire->new($t->dir . '/wire', $t->redis->socket);
$t->ends_with($wire->pid);
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'), REDIS => $wire->url);
    privacy_lease 1s grace=5s;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "$privacy_subject" always;
    add_header X-Version "$privacy_version" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF
$t->start;

my $network = 0;
sub visitor {
    my $v = $t->visitor(headers => ['X-Real-IP' => '10.2.' . ++$network . '.1', 'Accept-Language' => 'en']);
    $v->get('/');
    return $v;
}
sub subject   { my ($v) = @_; return $v->get('/')->header('X-Subject') // '' }
sub records   { my ($subject) = @_; return $t->redis->command('HLEN', "privacy:{example:$subject}:ledger") }
sub ledgers   { return scalar @{$t->redis->command('KEYS', 'privacy:{example:*}:ledger')} }

# Connected, and nothing waits for an answer any more: what was said wrongly before is over.
sub connected {
    my $redis = json($t->get('/status')->body)->{redis};
    return $redis->{connected} && !$redis->{in_flight} && !$redis->{queued};
}

sub how {
    my ($subject) = @_;
    my ($status, $out) = $t->ctl('ledger', $t->ctl_site, '--keys', $t->keys_dir . '/keys',
        '--public', $t->keys_dir . '/example.pub', '--json', $subject);
    return 'does not hold' if $status;
    return join ' ', map { $_->{how} } @{json($out)->{records}};
}

# Several choices at once: all are on their way before the first answer is read

sub choose_together {
    my (@who) = @_;
    my @sent = map {
        my ($v, $choice) = @$_;
        my %form = $v->form;
        my $client = Test::Privacy::Client->new(peer => $v->{peer});
        my $cookies = join '; ', map { "$_=$v->{jar}{$_}" } sort keys %{$v->jar};
        $client->write($client->_format('POST', '/privacy/choices', body => { %form, choice => $choice }, close => 1,
            headers => [@{$v->{headers}}, 'Sec-Fetch-Site' => 'same-origin', Cookie => $cookies]));
        [$v, $client];
    } @who;
    return map {
        my ($v, $client) = @$_;
        my $r = $client->read('POST');
        $v->_keep($_) for $r->headers('Set-Cookie');
        $r;
    } @sent;
}

# Every error, and what is no answer at all

my %says = (
    LOADING => '-LOADING Redis is loading the dataset in memory',
    BUSY => '-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    MASTERDOWN => "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    READONLY => "-READONLY You can't write against a read only replica.",
    OOM => "-OOM command not allowed when used memory > 'maxmemory'.",
    MISCONF => '-MISCONF Redis is configured to save RDB snapshots, but it is unable to persist on disk.',
    NOREPLICAS => '-NOREPLICAS Not enough good replicas to write.',
    NOAUTH => '-NOAUTH Authentication required.',
    NOPERM => "-NOPERM this user has no permissions to run the 'hsetnx' command",
    CLUSTERDOWN => '-CLUSTERDOWN The cluster is down',
    MOVED => '-MOVED 3999 127.0.0.1:6381',
    ASK => '-ASK 3999 127.0.0.1:6381',
    TRYAGAIN => '-TRYAGAIN Multiple keys request during rehashing of slot',
    EXECABORT => '-EXECABORT Transaction discarded because of previous errors.',
    'an unknown error' => "-ERR unknown command 'MULTI'",
    'a yes to everything' => '+OK',
    'a number' => ':1',
    'nil' => '$-1',
    'an empty array' => '*0',
    'a foreign protocol' => 'HTTP/1.1 400 Bad Request',
    'an endless array' => '*2147483647',
    'an endless string' => '$9999999999',
);

my @refusals;
for my $what (sort keys %says) {
    my ($new, $shy, $known) = map { visitor() } 1 .. 3;
    is($known->choose('accept_all')->status, 303, "$what: before it, an accept is saved");
    my $whose = subject($known);
    $_->get('/privacy/choices') for $new, $shy, $known;

    $wire->order(say => $says{$what});
    cmp_ok(took(sub { is($t->get('/')->status, 200, "$what: pages are served") }), '<', 1, "$what: at once");

    my @answers = choose_together([$new, 'accept_all'], [$shy, 'reject_all'], [$known, 'withdraw']);
    is(join(' ', map { $_->status } @answers), '503 503 503', "$what: nothing is saved");
    is_deeply([map { $_->header('Retry-After') =~ /^\d+$/ ? 1 : 0 } @answers], [1, 1, 1], "$what: come back later");
    is_deeply([$answers[0]->cookies], [], "$what: no cookie claims the accept");
    like($_->body, qr/in effect here.*not yet recorded|not yet (?:been )?recorded/is, "$what: a refusal is in effect")
        for @answers[1, 2];
    is(subject($new), '', "$what: the accept made nobody");
    is($known->get('/')->header('X-Consent'), '<>', "$what: the withdrawal holds");

    $wire->order('pass');
    push @refusals, [$what, $shy, subject($shy), 1, 'reject_all'], [$what, $known, $whose, 2, 'accept_all withdraw'];
    wait_for(sub { connected() }, 10);
}

ok(wait_for(sub {
    $_->[1]->get('/') for grep { (records($_->[2]) || 0) < $_->[3] } @refusals;
    return !grep { (records($_->[2]) || 0) < $_->[3] } @refusals;
}, 30), 'Redis answers again: every refusal is recorded');
for (@refusals) {
    my ($what, undef, $subject, $n, $how) = @$_;
    is(records($subject), $n, "$what: once");
    is(how($subject), $how, "$what: and the ledger holds");
}
is(ledgers(), @refusals, 'and nothing else was written');

# An answer that trickles in is an answer

my @kept = map { visitor() } 1 .. 3;
for my $piece (1, 2, 7) {
    $wire->order(drip => $piece);
    is(join(' ', map { $_->status } choose_together(map { [$_, 'accept_all'] } @kept)), '303 303 303',
        "answers in pieces of $piece: all are saved");
    is(records(subject($_)), 1, "pieces of $piece: once") for @kept;
    sleep 1.1;
    is($_->get('/')->header('X-Consent'), '<analytics,marketing>', "pieces of $piece: and looked up") for @kept;
    @kept = map { visitor() } 1 .. 3;
}

# An answer that breaks off: nginx cannot know what was done, asks again, and it was done once. Three choices are in
# flight; what is cut off is anything from all of it to the last byte.

$wire->order('pass');
for my $cut (0, 1, 13, 31, 34, 35, 52, 104) {
    my @who = map { visitor() } 1 .. 3;
    wait_for(sub { connected() }, 10);
    sleep 1.1;          # a connection that held for a second is lost for the first time: nginx connects at once

    $wire->order(cut => $cut, on => 'EXEC');
    my @answers = choose_together([$who[0], 'accept_all'], [$who[1], 'reject_all'], [$who[2], 'accept_all']);
    is(join(' ', map { $_->status } @answers), '303 303 303', "cut after $cut bytes: asked again, all are saved");
    is(how(subject($_)), $_ == $who[1] ? 'reject_all' : 'accept_all', "cut after $cut bytes: once") for @who;
    ok(wait_for(sub { connected() }), "cut after $cut bytes: connected again");
}

# The same, and Redis does not come back in time: what may be written is not said to be, and not written twice

for my $cut (0, 31) {
    my ($new, $shy, $known) = map { visitor() } 1 .. 3;
    $known->choose('accept_all');
    my $whose = subject($known);
    $known->get('/privacy/choices');
    wait_for(sub { connected() }, 10);
    sleep 1.1;

    $wire->order(away => $cut, on => 'EXEC');
    my @answers = choose_together([$new, 'accept_all'], [$shy, 'reject_all'], [$known, 'withdraw']);
    is(join(' ', map { $_->status } @answers[1, 2]), '503 503', "gone after $cut bytes: refusals are not said to be saved");
    is_deeply([$answers[0]->status, $answers[0]->cookies], [503], "gone after $cut bytes: nor is an accept");
    is($known->get('/')->header('X-Consent'), '<>', "gone after $cut bytes: the withdrawal holds");
    cmp_ok(took(sub { is($t->get('/')->status, 200, "gone after $cut bytes: pages are served") }), '<', 1,
        "gone after $cut bytes: at once");

    $wire->order('pass');
    my $subject = subject($shy);
    ok(wait_for(sub {
        $_->get('/') for $shy, $known;
        return records($subject) && records($whose) == 2 && $shy->get('/privacy/choices',
            Accept => 'application/json')->body =~ /"pending":false/;
    }, 30), "gone after $cut bytes: it is back, both are recorded");
    is(how($subject), 'reject_all', "gone after $cut bytes: the refusal once");
    is(how($whose), 'accept_all withdraw', "gone after $cut bytes: the withdrawal once");
}

# The look-up of a state breaks off: the page does not wait, and it is looked up again: else it would count for nothing
# after lease and grace

for my $cut (0, 40) {
    my $v = visitor();
    $v->choose('accept_all');
    my $until = time + 8;
    wait_for(sub { connected() }, 10);
    sleep 1.1;

    my $before = json($t->get('/status')->body)->{redis}{reconnects};
    $wire->order(cut => $cut, on => 'HMGET');
    my ($pages, $held, $slowest) = (0, 0, 0);
    while (time < $until) {
        my $took = took(sub { $held++ if $v->get('/')->header('X-Consent') eq '<analytics,marketing>' });
        $slowest = $took if $slowest < $took;
        $pages++;
        sleep 0.1;
    }
    is(json($t->get('/status')->body)->{redis}{reconnects}, $before + 1, "a look-up cut after $cut bytes");
    is($held, $pages, "a look-up cut after $cut bytes: what is known holds, and is looked up again");
    cmp_ok($slowest, '<', 1, "a look-up cut after $cut bytes: no page waits");
}

# A bundle that breaks off on its way

my $version = 0;
for my $cut (0, 4, 100, 2000) {
    wait_for(sub { connected() }, 10);
    sleep 1.1;
    $wire->order(cut => $cut, on => ':bundle:');
    $t->publish($t->bundle(version => 'v' . ++$version, changes => [
        { kind => 'editorial', purposes => [], summary => { 'zh-CN' => '修订', en => 'Revised.' } }]));
    ok(wait_for(sub { $t->get('/')->header('X-Version') eq "v$version" }, 20),
        "a bundle cut after $cut bytes: in force when it came whole");
}

ok(wait_for(sub { connected() }), 'at the end: connected');
$t->finish;
