#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Servers of a cluster, and sentinels, that lie: they send in circles, to nowhere, or say of each other what cannot be.
# Pages are served, choices are saved or refused in time, nothing spins, and all is well when they tell the truth again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Liar;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch qw(took);
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('lies');
$t->allow(qr/connect\(\) failed|connect\(\) to/);
$t->redis->start;
$t->publish($t->bundle);
my ($one, $other) = map { Test::Privacy::Liar->new($t->dir . "/$_", $t->address, $t->redis->socket) } qw(one other);
$t->ends_with($_->pid) for $one, $other;

my $config = site_conf(<<'CONF');
    add_header X-Version "$privacy_version" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF

my $network = 0;
sub status { return json($t->get('/status')->body)->{redis} }
sub choose {
    my $v = $t->visitor(headers => ['X-Real-IP' => join '.', 10, 6, ++$network % 250, 1]);
    return -1 if $v->get('/')->status != 200;
    return $v->choose('accept_all')->status;
}
sub cpu {
    my ($pid) = $t->workers;
    my @words = split ' ', slurp("/proc/$pid/stat") =~ s/.*\) //r;
    return ($words[11] + $words[12]) / 100;
}
sub bulk { return sprintf "\$%d\r\n%s", length $_[0], $_[0] }
sub range {
    my ($first, $last, $host, $port) = @_;

    return "*3\r\n:$first\r\n:$last\r\n*2\r\n" . bulk($host) . "\r\n:$port";
}
sub slots { return join "\r\n", '*' . @_, @_ }
sub all_at { my ($liar) = @_; return range(0, 16383, $liar->{address}, $liar->{port}) }

my @truth = ('^CLUSTER SLOTS' => slots(all_at($one)), '^ASKING' => '+OK');
sub tells { my ($liar, @lies) = @_; $liar->lies(@lies, @truth) }
# Each command about a ledger, and with it the transaction that it is in
sub refuses { my ($reply) = @_; return ('^MULTI' => '+OK', '^EXEC' => '-EXECABORT not done', ':ledger' => $reply) }

# A lie while visitors come: what each of three choices may be answered, and what of it may be in the log
sub lie {
    my ($what, $answers, $lies, %options) = @_;

    my $workers = join ' ', $t->workers;
    tells($one, @$lies);
    tells($other, @{$options{other} || []});
    if ($options{again}) {
        $t->reload;
        $workers = join ' ', $t->workers;
    }
    ok(wait_for(sub { grep { $_->{slots} } @{status()->{endpoints}} }, 20), "$what: the table is read") if $options{table};
    my $before = length $t->log;
    my ($cpu, @got) = cpu();
    my $took = took(sub { @got = map { choose() } 1 .. 3 });
    is_deeply([grep { $_ !~ /^(?:$answers)$/ } @got], [], "$what: choices are answered $answers") or diag("@got");
    cmp_ok($took, '<', 15, "$what: in time");
    cmp_ok(took(sub { is($t->get('/')->status, 200, "$what: pages are served") }), '<', 1, "$what: at once");
    sleep 0.5;
    cmp_ok(cpu() - $cpu, '<', 1, "$what: nothing spins");
    my $log = substr $t->log, $before;
    cmp_ok(scalar(() = $log =~ /\[(?:error|warn|notice)\]/g), '<', 60, "$what: the log is not flooded");
    unlike($log, qr/[^\x09\x0a\x20-\x7e]/, "$what: and holds nothing but text");
    ok(wait_for(sub { $t->log =~ $options{log} }, 20), "$what: it says why") if $options{log};

    tells($_) for $one, $other;
    ok(wait_for(sub { choose() == 303 }, 20), "$what: the truth again: choices are saved") or diag(explain(status()));
    is(join(' ', $t->workers), $workers, "$what: by the same worker");
}

tells($_) for $one, $other;
$t->config($config, REDIS => 'cluster://' . $one->at);
$t->start;
ok(wait_for(sub { choose() == 303 }, 20), 'a choice');

my ($shut) = do {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => $t->address, LocalPort => 0) or die $!;
    $socket->sockport;
};
my $nowhere = $t->address . ":$shut";
my $redirected = status()->{redirected};
lie('moved to itself', 503, [refuses('-MOVED %SLOT% ' . $one->at)]);
cmp_ok(status()->{redirected} - $redirected, '<=', 5 * 60, 'at most five redirections a request');
lie('in a ring', 503, [refuses('-MOVED %SLOT% ' . $other->at)], other => [refuses('-MOVED %SLOT% ' . $one->at)]);
lie('asked in a ring', 503, [refuses('-ASK %SLOT% ' . $other->at)], other => [refuses('-ASK %SLOT% ' . $one->at)]);
lie('moved to a shut port', 503, [refuses("-MOVED %SLOT% $nowhere")]);
lie('asked at a shut port', 503, [refuses("-ASK %SLOT% $nowhere")]);
lie('asked where nobody answers', 503, [refuses('-ASK %SLOT% ' . $other->at)],
    other => ['^(?!AUTH|SELECT|PING|CLUSTER|INFO|CONFIG)' => undef]);
lie("moved: $_", 503, [refuses("-MOVED $_")]) for '', '%SLOT%', '99999 ' . $one->at, "%SLOT% \e]0;x\a:1", '%SLOT% [::1:1',
    '%SLOT% 999.999.999.999:1', '%SLOT% nobody.invalid:1',
    '%SLOT% ' . 'a' x 300 . ':1', "%SLOT% $nowhere:0", '1 ' . $other->at;
lie('for ever not now', 503, [refuses('-TRYAGAIN not now')]);
lie('down', 503, [refuses('-CLUSTERDOWN it is')]);
lie('an error that no terminal should see', 503, [refuses("-ERR \e]0;x\a no")],
    log => qr/ refuses HSETNX .*: ERR \?\]0;x\? no/);
lie('the same as a greeting', 503, ['^PING' => "-ERR \e]0;x\a hello"], again => 1, log => qr/: ERR \?\]0;x\? hello/);

# Tables: without one that can be used, any server is asked
lie("slots: $_->[0]", $_->[1], ['^CLUSTER SLOTS' => $_->[2]], again => 1, log => $_->[3], table => $_->[4]) for
    ['none', 303, '*0', qr/knows of no cluster that can be used/],
    ['nil', 303, '*-1', qr/no cluster that can be used/],
    ['an error', 303, '-ERR no'],
    ['nobody answers', '303|503', undef],
    ['garbage', 303, slots(all_at($one), '+OK'), qr/no cluster that can be used/],
    ['too many ranges', 303, slots(map { range($_ % 16384, $_ % 16384, $one->{address}, $one->{port}) } 0 .. 17_000)],
    ['each its own range', 303, slots(map { range($_, $_, $one->{address}, $one->{port}) } 0 .. 16_383)],
    ['overlapping', 303, slots((map { range(0, 16383, $t->address, $shut) } 1 .. 100), all_at($one))],
    ['300 masters', 303, slots(map { range($_ * 50, $_ * 50 + 49, '127.255.255.254', 1000 + $_) } 0 .. 299),
        qr/a Redis cluster of more than \d+ masters/],
    ['a name', '303|503', slots(range(0, 16383, 'nobody.invalid', $one->{port})), qr/without a "resolver"/],
    ['a byte at a time', 303, \slots(all_at($one)), undef, 1];

# A table that is true, and as long as it can be: no two slots that follow each other are at one master

my @servers = map { "*4\r\n" . bulk($_->[0]) . "\r\n:$_->[1]\r\n" . bulk('0' x 40) . "\r\n*0" }
    [@$one{qw(address port)}], [@$other{qw(address port)}], ['127.255.255.254', 1], ['127.255.255.254', 2];
tells($_, '^CLUSTER SLOTS' => slots(map { join "\r\n", '*5', ":$_", ":$_", @servers[$_ % 2, 2, 3] } 0 .. 16_383)) for $one,
    $other;
$t->reload;
ok(wait_for(sub { 2 == grep { $_->{slots} == 8192 } @{status()->{endpoints}} }, 20),
    'each slot a range, of two replicas: the table is read') or diag(explain(status()));
is(choose(), 303, '... and choices go by it');

# While a master is away it is asked for again and again, but less often than a short one: it takes long to read

tells($_, '^CLUSTER SLOTS' => slots(map {
    join "\r\n", '*3', ":$_", ":$_", $_ == 7 ? "*2\r\n" . bulk($t->address) . "\r\n:$shut" : $servers[$_ % 2]
} 0 .. 16_383)) for $one, $other;
$t->reload;
ok(wait_for(sub { grep { $_->{slots} == 1 } @{status()->{endpoints}} }, 20), 'a master of one slot is away') or
    diag(explain(status()));
sub answered { my $n = 0; $n += $_->{answered} for @{status()->{endpoints}}; return $n }
my $answered = answered();
sleep 6;
$answered = answered() - $answered;
cmp_ok($answered, '<=', 9, "... in six seconds $answered questions were answered");

# A server that is only listened to, and hangs, is noticed

$t->reload;
ok(wait_for(sub { json($t->get('/status')->body)->{sites}[0]{subscribed} }, 20), 'a worker listens');
my $listened = length $t->log;
tells($_, '^PING' => undef) for $one, $other;
ok(wait_for(sub { substr($t->log, $listened) =~ /\(events\): timeout/ }, 14), 'nothing is heard: that is noticed in time');
tells($_) for $one, $other;

# Who is asked for it and says nothing, as the first one that is connected, is not waited for: another one is asked

tells($one, '^CLUSTER SLOTS' => undef);
tells($other, '^CLUSTER SLOTS' => slots(all_at($other)), '^PING' => \'+PONG');
$t->config($config, REDIS => join ',', 'cluster://' . $one->at, $other->at);
my $status;
my $read = sub {
    $t->reload;
    wait_for(sub { $status = status(); grep { $_->{slots} == 16384 } @{$status->{endpoints}} }, 20);
};
my @late = grep {
    # where the machine stood still, both may have had their time
    for (1 .. 5) {
        my $watch = Test::Privacy::Stopwatch->new;
        $read->();
        last if $watch->lost < 0.2;
    }
    !$status->{connected} || $status->{timed_out};
} 1 .. 3;
is_deeply(\@late, [], 'a server that says nothing: the table of another is there before that one has to have said its own');

# Sentinels

sub named { my ($host, $port) = @_; return "*2\r\n" . bulk($host) . "\r\n" . bulk($port) }
@truth = ('^SENTINEL' => named(@$other{qw(address port)}));
tells($_) for $one, $other;
$t->stop;
$t->config($config, REDIS => 'sentinel://' . $one->at . '/mine');
$t->start;
ok(wait_for(sub { choose() == 303 }, 20), 'the master that a sentinel names');

lie("sentinel: $_->[0]", $_->[1], ['^SENTINEL' => $_->[2]], again => 1, log => $_->[3]) for
    ['nil', 503, '*-1', qr/it knows no master of that name/],
    ['garbage', 503, named("a\nb", 1), qr/it knows no master of that name/],
    ['a port that is none', 503, named($t->address, 99999)],
    ['a name', 503, named('nobody.invalid', 6379), qr/without a "resolver"/],
    ['a shut port', 503, named($t->address, $shut)],
    ['an error', 503, '-ERR no'],
    ['nobody answers', 503, undef],
    ['a byte at a time', '303|503', \named(@$other{qw(address port)})];
lie('what it says of subscribing', '303|503', ['^SUBSCRIBE' => "*3\r\n+a\r\n:1\r\n*0"], again => 1);
lie("role: $_->[0]", 503, [], other => ['^ROLE' => $_->[1]], again => 1) for ['garbage', "*1\r\n:1"], ['nil', '*-1'],
    ['a replica', "*1\r\n" . bulk('slave')], ['nobody answers', undef];

my $before = length $t->log;
$t->redis->command('PUBLISH', '+switch-master', $_) for '', 'mine', "yours a 1 $nowhere", 'mine a 1 b 0', 'x' x 10_000,
    "\0" x 100, "mine a 1 b\nc 1", 'mine a 1 ' . $t->address . ' 99999';
is(choose(), 303, 'messages that are none, and of another master, change nothing');
unlike(substr($t->log, $before), qr/the master is at/, 'the master is where it was');

my ($begin, $n) = (time, 0);
for (1 .. 200) {
    $t->redis->command('PUBLISH', '+switch-master', join ' ', 'mine a 1', $t->address, $n++ % 2 ? $shut : $other->{port});
}
sleep 0.3;
my $said = () = substr($t->log, $before) =~ /the master is at/g;
cmp_ok($said, '<=', 10 * (time - $begin) + 2, "200 masters one after another: $said were followed");
ok(wait_for(sub { choose() == 303 }, 20), 'and then the one that is there');

# The worker leaves, whatever it waits for

tells($other, '.' => undef);
choose();
my ($old) = $t->workers;
kill 'HUP', $t->pid;
ok(wait_for(sub { !grep { $_ == $old } $t->workers }, 20) && wait_for(sub { !kill 0, $old }, 12),
    'an old worker leaves while a server hangs');
$t->finish;
