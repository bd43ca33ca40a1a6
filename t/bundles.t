#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Sealed bundles from Redis and from the node's folder: what is unsigned, altered, foreign or out of place is refused
# wherever it comes from; a node without Redis serves the newest good one that it has; the folder mends itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('bundles', workers => 2);
$t->redis->start;
$t->upstream(sub { return { headers => ['Content-Type' => 'text/plain'], body => 'hello' } });
$t->config(site_conf(<<'CONF'));
    add_header X-Version "$privacy_version" always;
    add_header X-Worker "$pid" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF

my $site = $t->site;
my $log = "privacy:$site:policies";

sub version { return $t->get('/')->header('X-Version') // '' }
sub file { return sprintf '%s/cache/%s/%010d.bundle', $t->dir, $site, shift }
sub refusals { my $n = () = $t->log =~ /$_[0]/g; return $n }

# What every worker says, asked often enough to meet both.
sub versions {
    my %said;

    for (1 .. 40) {
        my $r = $t->get('/');
        $said{$r->header('X-Worker')} = $r->header('X-Version') // '';
    }
    my %all = map { $_ => 1 } values %said;
    return join ' ', sort keys %all;
}

$t->start;
is(version(), '', 'no bundle, no version');
ok($t->listening, 'every worker listens');

my $begin = time;
$t->publish($t->bundle);
ok(wait_for(sub { versions() eq '2026-01-01' }, 2), 'published while nginx runs: every worker has it');
my $took = time - $begin;

my $sealed = slurp(file(1));
my ($magic, $signature, $head) = split /\n/, $sealed;
is($magic, 'privacy-bundle 1', 'the node keeps the sealed bundle');
is($sealed, $t->redis->command('GET', "privacy:$site:bundle:" . sha256_hex($head)), '... the same bytes as Redis');

# In force when its time comes, without anybody's doing. So far ahead that it can be published and asked about before.

my $soon = time + 6 + 5 * $took;
$t->publish($t->bundle(version => 'soon', effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $soon),
    changes => [{ kind => 'editorial', summary => { 'zh-CN' => 'Words', en => 'Words' } }]));
ok(wait_for(sub { -e file(2) }, $soon - time), 'the next version is known before its time');
is(versions(), '2026-01-01', '... and not in force');
ok(wait_for(sub { versions() eq 'soon' }, $soon + 2 - time), 'in force when its time has come');
cmp_ok(time, '>=', int $soon, '... not earlier');

# Whoever can write to Redis puts these into the log, each as the next version.

sub forge {
    my ($sequence, $bytes, $digest) = @_;

    $digest //= sha256_hex((split /\n/, $bytes)[2] // '');
    $t->redis->command('SET', "privacy:$site:bundle:$digest", $bytes);
    $t->redis->command('XADD', $log, "$sequence-0", kind => 'version', digest => $digest, version => 'forged',
        effective => 1);
    $t->redis->command('PUBLISH', "privacy:$site:events", "published $sequence");
}

my $next = slurp(file(2));
my ($next_signature, $next_rest) = (split /\n/, $next, 3)[1, 2];
(my $altered = $next_rest) =~ s/"sequence":2\b/"sequence":3/ or die 'no sequence in a head';
my %forged = (
    altered => "privacy-bundle 1\n$next_signature\n$altered",
    unsigned => "privacy-bundle 1\n\n$altered",
    replayed => $next,
    garbage => "\0" x 1000,
    empty => '',
);

my $sequence = 3;
for my $what (sort keys %forged) {
    my $before = refusals(qr/is refused/);
    forge($sequence, $forged{$what}, $what =~ /garbage|empty/ ? sha256_hex($what) : undef);
    ok(wait_for(sub { refusals(qr/bundle $sequence in Redis is refused/) >= 2 }), "$what: refused by both workers");
    is(versions(), 'soon', "$what: the version in force stays");
    ok(!-e file($sequence), "$what: nothing of it in the folder");
    $sequence++;
}

$t->redis->command('XADD', $log, '100-0', 'digest', 'nonsense');
$t->redis->command('PUBLISH', "privacy:$site:events", 'published 100');
ok(wait_for(sub { refusals(qr/what is no entry/) >= 2 }), 'an entry that is none: said in the log');
is(versions(), 'soon', '... and the version in force stays');

# Without Redis: the newest good one of the folder.

sub restart_without_redis {
    my ($expected, $what) = @_;

    $t->start;
    is(versions(), $expected, $what);
    $t->stop;
}

$t->stop;
$t->redis->kill;
restart_without_redis('soon', 'no Redis: the newest version of the folder');

my %good = (1 => slurp(file(1)), 2 => slurp(file(2)));
spew(file(2), substr $good{2}, 0, length($good{2}) - 1);
restart_without_redis('2026-01-01', 'the newest is cut: the one before');

spew(file(2), $good{1});
restart_without_redis('2026-01-01', 'the newest is another one under its name: the one before');

my $flipped = $good{2};
substr($flipped, length($flipped) / 2, 1) ^= "\1";
spew(file(2), $flipped);
restart_without_redis('2026-01-01', 'one bit of the newest is flipped: the one before');

unlink file(2);
spew(file(1), $flipped);
restart_without_redis('', 'nothing good: no version');

unlink file(1);
spew(file(2), $good{2});
restart_without_redis('soon', 'the newest alone, without the ones before: it serves');

# Redis is back: what is missing or spoilt is fetched again.

spew(file(1), $flipped);
$t->redis->start;
$t->start;
ok(wait_for(sub { slurp(file(1)) eq $good{1} }), 'the folder is mended from the log');
is(versions(), 'soon', 'with the version in force');

# Emptied behind our back.

$t->redis->command('FLUSHALL');
$t->redis->command('PUBLISH', "privacy:$site:events", 'published 1');
ok(wait_for(sub { refusals(qr/Redis has lost the publication log/) >= 2 }), 'an emptied Redis is said in the log');
is(versions(), 'soon', 'the policy stays');

$t->finish;
