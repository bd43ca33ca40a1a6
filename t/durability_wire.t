#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacy_durability replicas=1: whatever is answered to WAIT, and wherever its answer is cut off, a choice is
# acknowledged only when the answer says that a replica has it; and then all is well again.

use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Redis;
use Test::Privacy::Site;
use Test::Privacy::Wire;

my $t = Test::Privacy->new('durability-wire', workers => 1);
my $redis = $t->redis;
my $replica = Test::Privacy::Redis->new($t->dir . '/replica');

sub port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => $t->address, LocalPort => 0) or die "no free port: $!";
    return $s->sockport;
}
my $port = port();
$redis->start("port $port", 'bind ' . $t->address, 'repl-diskless-sync-delay 0');
$replica->start('port ' . port(), 'bind ' . $t->address, 'replicaof ' . $t->address . " $port");
ok(wait_for(sub { $redis->command('INFO', 'replication') =~ /state=online/ }, 20), 'a replica follows');
$t->publish($t->bundle);

my $wire = Test::Privacy::Wire->new($t->dir . '/wire', $redis->socket);
$t->ends_with($wire->pid);
$t->config(site_conf('', http => 'privacy_durability replicas=1;'), REDIS => $wire->url);
$t->start;

my ($network, $acknowledged) = (0, 0);
sub choose {
    my $v = $t->visitor(headers => ['X-Real-IP' => join '.', 10, 8 + (++$network >> 8), $network & 255, 1]);
    $v->get('/privacy/choices');
    my $status = $v->choose('accept_all')->status;
    $acknowledged++ if $status == 303;
    return $status;
}
sub status { return json($t->get('/status')->body)->{redis} }
sub durability { return status()->{durability} }
sub well { return wait_for(sub { status()->{connected} && choose() == 303 }, 20) }

ok(well(), 'all is well');

my %wrong = (
    'none has it' => ":1\r\n:0\r\n",
    'a negative number' => ":1\r\n:-1\r\n",
    'more than there can be' => ":1\r\n:99999999\r\n",
    'a string' => ":1\r\n\$1\r\n1\r\n",
    'a line' => ":1\r\n+1\r\n",
    'an array' => ":1\r\n*1\r\n:1\r\n",
    'nothing' => ":1\r\n\$-1\r\n",
    'an error' => ":1\r\n-ERR WAIT cannot be used with replica instances.\r\n",
    'the write was not one' => ":0\r\n:1\r\n",
    'the write was refused' => "-READONLY You can't write against a read only replica.\r\n:1\r\n",
    'no reply of Redis' => "1\r\n",
);

for my $what (sort keys %wrong) {
    my $short = durability()->{short};
    $wire->order(instead => $wrong{$what}, on => 'WAIT');
    is(choose(), 503, "$what: not acknowledged");
    cmp_ok(durability()->{short}, '==', $short + 1, '... which is counted');
    $wire->order('pass');
    ok(well(), '... then all is well');
}

$wire->order(instead => ":1\r\n:1\r\n:1\r\n", on => 'WAIT');
is(choose(), 303, 'one answer too many: what was said before it holds');
$wire->order('pass');
ok(well(), '... then all is well');

for my $cut (0, 2, 4, 6, 7) {
    $wire->order(cut => $cut, on => 'WAIT');
    is(choose(), 503, "cut off after $cut bytes: not acknowledged");
    ok(well(), '... then all is well');
}

my @ledgers = @{$replica->command('KEYS', '*}:ledger')};
is(scalar(grep { $replica->command('HLEN', $_) == 1 } @ledgers), $network, 'each choice was recorded, once');
is(durability()->{short}, $network - $acknowledged, 'and each that was not acknowledged is counted, once');
is(durability()->{waiting}, 0, '... and nothing waits any more');

$t->finish;
