#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis under names: found again where the name leads to another address, by nginx's resolver and without a reload;
# servers of a cluster that call each other by names; IPv6.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use POSIX ();
use Socket qw(inet_aton);
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Servers;
use Time::HiRes qw(sleep);

my $t = Test::Privacy->new('names');
my $config = <<'CONF';
%%MAIN%%
http {
    %%HTTP%%
    resolver %%DNS%% valid=1s;
    resolver_timeout 1s;
    %%PRIVACY%%
    set_real_ip_from 127.0.0.0/8;
    server {
        listen %%LISTEN%%;
        privacy enforce;
        privacy_site %%SITE%%;
        add_header X-Version "$privacy_version" always;
        add_header X-Subject "$privacy_subject" always;
        location / { return 200 "<!doctype html><title>t</title><p>hello"; }
        location /privacy/ { privacy_center; }
        location = /status { privacy_status; }
    }
}
CONF
$t->allow(qr/connect\(\) failed \(111/);

# A name server that knows what the file says: "NAME ADDRESS" a line. Of IPv6 it knows nothing.
my $zone = $t->dir . '/zone';
my $dns = IO::Socket::INET->new(Proto => 'udp', LocalAddr => $t->address, LocalPort => 0) or die "no port: $!";
my $server = fork // die $!;
if (!$server) {
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    while (defined $dns->recv(my $question, 512)) {
        my ($id, $rest) = unpack 'n x10 a*', $question;
        my ($name, $at) = ('', 0);
        while (my $length = unpack "x$at C", $rest) {
            $name .= ($name eq '' ? '' : '.') . substr $rest, $at + 1, $length;
            $at += 1 + $length;
        }
        my $type = unpack 'x' . ($at + 1) . 'n', $rest;
        my %known = map { split } split /\n/, slurp($zone);
        my $answer = $type == 1 && $known{$name} ? pack('n n n N n a4', 0xc00c, 1, 1, 1, 4, inet_aton($known{$name})) : '';
        $dns->send(pack('n n n n n n', $id, $known{$name} ? 0x8180 : 0x8183, 1, $answer ne '', 0, 0)
            . substr($rest, 0, $at + 5) . $answer);
    }
    POSIX::_exit(0);
}

sub status { return json($t->get('/status')->body)->{redis} }

my $network = 0;
sub choose {
    my $v = $t->visitor(headers => ['X-Real-IP' => join '.', 10, 3, ++$network, 1]);
    $v->get('/');
    return $v->choose('accept_all')->status;
}

# One server, that moves to another machine

my ($port) = Test::Privacy::Servers::ports('127.0.0.1', 1);
my $elsewhere = $t->address;
spew($zone, "localhost 127.0.0.1\n");
$t->redis->start("port $port", 'bind 127.0.0.1', 'protected-mode no');
$t->publish($t->bundle);
$t->config($config, DNS => $dns->sockhost . ':' . $dns->sockport, REDIS => "redis://localhost:$port");
$t->start;
is(choose(), 303, 'a choice is recorded');
$t->redis->stop;
spew($zone, "localhost $elsewhere\n");
$t->redis->start("port $port", "bind $elsewhere", 'protected-mode no');
ok(wait_for(sub { choose() == 303 }, 15), 'the server is found at the other address that its name leads to');
spew($zone, "other.test 127.0.0.1\n");
$t->redis->stop;
ok(wait_for(sub { $t->log =~ /its name could not be resolved/ }, 15), 'a name that is gone is said');
is(choose(), 503, 'and a choice is refused');
spew($zone, "localhost $elsewhere\n");
$t->redis->start("port $port", "bind $elsewhere", 'protected-mode no');
ok(wait_for(sub { choose() == 303 }, 15), 'what was known before is tried on');
$t->stop;

# A cluster whose servers call each other by names

my $cluster = Test::Privacy::Cluster->new($t->dir . '/cluster', masters => 3, address => $t->address,
    lines => ['cluster-preferred-endpoint-type hostname']);
my @nodes = $cluster->nodes;
spew($zone, join '', map { "node$_.test $nodes[$_]{address}\n" } 0 .. 2);
$nodes[$_]->command('CONFIG', 'SET', 'cluster-announce-hostname', "node$_.test") for 0 .. 2;
ok(wait_for(sub {
    my %names = map { $_->[2][0] => 1 } map { @{$_->command('CLUSTER', 'SLOTS')} } @nodes;
    return "@{[sort keys %names]}" eq 'node0.test node1.test node2.test';
}, 20), 'a cluster of names');
for my $key (@{$t->redis->command('KEYS', 'privacy:example:*')}) {
    $cluster->node_of($key)->command('RESTORE', $key, 0, $t->redis->command('DUMP', $key));
}
$t->config($config, DNS => $dns->sockhost . ':' . $dns->sockport,
    REDIS => "cluster://nowhere.invalid,$nodes[0]{address}:$nodes[0]{port}");
$t->start;
like($t->log, qr/host not found in the Redis address "nowhere.invalid"/, 'a host that is not found is said');
ok(wait_for(sub { 3 == grep { $_->{slots} && $_->{connected} && $_->{address} =~ /^node\d\.test:\d+$/ }
    @{status()->{endpoints}} }, 15), 'the names are resolved') or diag(explain(status()));
is_deeply([map { choose() } 1 .. 6], [(303) x 6], 'choices are recorded');
$t->stop;
$cluster->stop;

# IPv6

SKIP: {
    my $free = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
    my $six = $free->sockport;
    $free->close;
    $t->redis->stop;
    skip 'no IPv6', 1 if !eval { $t->redis->start("port $six", 'bind ::1', 'protected-mode no')
        && qx(redis-cli -h ::1 -p $six PING 2>&1) =~ /PONG/ };
    $t->config($config, DNS => $dns->sockhost . ':' . $dns->sockport, REDIS => "redis://[::1]:$six");
    $t->start;
    is(choose(), 303, 'a server at an address of IPv6');
}

$t->stop;
kill 'KILL', $server;
waitpid $server, 0;
$t->finish;
