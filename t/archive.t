#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The archive as it is kept: heads in memory, whole versions when asked for, from the node's folder, else from Redis,
# off the event loop, in bounded numbers and bounded memory. And the log's own addresses.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FindBin;
use IO::Select;
use lib "$FindBin::Bin/lib";
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch qw(took);
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('archive');
$t->redis->start;
$t->upstream(sub { return { headers => ['Content-Type' => 'text/plain'], body => 'hello' } });
my $config = site_conf(<<'CONF');
    add_header X-Version "$privacy_version" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->config($config);

my $site = $t->site;
my $count = 0;

sub file { return sprintf '%s/cache/%s/%010d.bundle', $t->dir, $site, shift }
sub said { my $n = () = $t->log =~ /$_[0]/g; return $n }
sub asking { my $c = $t->connect; $c->write("GET $_[0] HTTP/1.1\r\nHost: x\r\n\r\n"); return $c }
sub old { return $t->get("/privacy/versions/v$_[0].md?lang=en") }
sub is_old { my ($r, $n) = @_; return $r->status == 200 && $r->body =~ /^Text of v$n\.$/m }

# Versions v1, v2...; texts of so many bytes more.
sub publish {
    my ($more, %changes) = @_;

    my $n = ++$count;
    my $filler = $more ? join("\n", map { "Paragraph $_ of the policy, with some words in it.\n" } 1 .. $more / 50) : '';
    $t->publish($t->bundle(version => "v$n",
        changes => $n == 1 ? [] : [{ kind => 'editorial', summary => { 'zh-CN' => 'Words', en => 'Words' } }],
        texts => { 'zh-CN' => "# Zh $n\n\nText of v$n.\n", en => "# En $n\n\nText of v$n.\n\n$filler" }, %changes));
    return $n;
}

publish(0) for 1 .. 12;
$t->start;
ok(wait_for(sub { $t->get('/')->header('X-Version') eq 'v12' }), 'the newest of twelve is in force');
ok(wait_for(sub { !grep { !-e file($_) } 1 .. 12 }), 'all that was published is copied into the folder');

# The log

my $r = $t->get('/privacy/log');
is($r->status, 200, 'the log');
is($r->header('Content-Type'), 'application/json', '... is JSON');
my $log = json($r->body);
is_deeply([@$log{qw(site total page pages)}], [$site, 12, 1, 1], '... and says how long it is');
is_deeply([map { $_->{number} } @{$log->{entries}}], [1 .. 12], '... with every entry');
is_deeply([map { "$_->{kind} $_->{version}" } @{$log->{entries}}], [map { "version v$_" } 1 .. 12], '... what it is');
is($log->{entries}[$_]{previous}, $_ ? $log->{entries}[$_ - 1]{digest} : '0' x 64, "... entry $_ names the one before")
    for 0, 1, 11;
is($t->get('/privacy/log?page=2')->status, 404, 'there is no second page');
is($t->get("/privacy/log?page=$_")->status, 404, "page $_ is none") for '0', '-1', 'x', '99999999999999999999', '';
is($t->post('/privacy/log', '')->status, 405, 'the log is read only');
is($t->get('/privacy/log', 'If-None-Match' => $r->header('ETag'))->status, 304, 'the log has an ETag');

my $sealed = slurp(file(3));
$r = $t->get('/privacy/log/3');
is($r->status, 200, 'an entry');
ok($r->body eq $sealed, '... is the sealed bytes');
is($r->header('Content-Type'), 'application/octet-stream', '... as bytes');
like($r->header('Cache-Control'), qr/immutable/, '... and never changes');
is($r->header('ETag'), "\"$log->{entries}[2]{digest}\"", '... its ETag is its digest');
is($log->{entries}[2]{digest}, sha256_hex((split /\n/, $sealed)[2]), '... that of its head');
is($log->{entries}[2]{size}, length $sealed, '... the log says its size');
is($t->get('/privacy/log/3', 'If-None-Match' => $r->header('ETag'))->status, 304, '... it is revalidated');
is($t->get('/privacy/log/3', Range => 'bytes=5-9')->body, substr($sealed, 5, 5), '... and can be had in parts');
$r = $t->head('/privacy/log/3');
is($r->status, 200, '... HEAD');
is($r->header('Content-Length'), length $sealed, '... says its length');
is($t->get("/privacy/log/$_")->status, 404, "entry \"$_\" is none") for qw(0 13 03 x 3.json -1 4294967299 99999999999);

# Whole versions when they are asked for

$t->stop;
$t->start;
ok(is_old(old($_), $_), "v$_ after a restart, from the folder") for 12, 1, 6;
is($t->get('/privacy/versions/v7.json')->status, 200, 'as JSON');
is($t->get('/privacy/versions/v13')->status, 404, 'a version that there is not');
like($t->get('/privacy/versions')->body, qr/\bv1\b.*|.*\bv1\b/s, 'the list has them all, from their heads');

# A file that is gone, cut, altered, another's: Redis has it, and then the folder again

my $good = slurp(file(2));
my %bad = (
    'is gone' => undef,
    'is cut' => substr($good, 0, length($good) - 1),
    'is cut in its head' => substr($good, 0, 300),
    'is altered in its texts' => do { my $b = $good; substr($b, -20, 1) ^= "\1"; $b },
    'is altered in its head' => do { my $b = $good; substr($b, 200, 1) ^= "\1"; $b },
    'is another entry' => $sealed,
    'is empty' => '',
    'is longer' => "$good\n",
);
for my $what (sort keys %bad) {
    $t->stop;
    unlink file(2);
    spew(file(2), $bad{$what}) if defined $bad{$what};
    $t->start;
    ok(wait_for(sub { is_old(old(2), 2) }), "the file of v2 $what: it comes from Redis");
    ok(wait_for(sub { slurp(file(2)) eq $good }), '... and the folder is mended');
}
cmp_ok(said(qr/bundle 2 in the node's folder is refused/), '>=', 5, 'what is wrong with them was said');
is($t->get('/privacy/log/2')->body, $good, 'the mended one is served');

unlink file(4);
ok($t->get('/privacy/log/4')->body =~ /^privacy-bundle 1\n/, 'a sealed entry that the folder has not');
ok(wait_for(sub { -e file(4) }), '... is put there');

# A node without a folder: from Redis, into memory

my $bare = Test::Privacy->new('archive-bare');
my $keys = $t->keys_dir;
$bare->config($config, UPSTREAM => 'http://unix:' . $t->dir . '/upstream.sock:', SITE => "$site key=$keys/$site.pub",
    PRIVACY => join "\n    ", 'privacy_zone 4m;', 'privacy_redis ' . $t->redis->url . ';', "privacy_keys $keys/keys;");
$bare->start;
ok(wait_for(sub { ($bare->get('/')->header('X-Version') // '') eq 'v12' }), 'a node without a folder');
ok(is_old($bare->get('/privacy/versions/v3.md?lang=en'), 3), '... shows an archived version');
is($bare->get('/privacy/log/3')->body, $sealed, '... and a sealed entry');
is(json($bare->get('/privacy/log')->body)->{total}, 12, '... and the log');
$bare->stop;
is_deeply([$bare->problems], [], '... and nothing alarming');
$bare->{finished} = $bare->{clean} = 1;

# Redis is away

sub fresh { $t->stop; $t->start; return }

fresh();
unlink file($_) for 5, 8;
$t->redis->kill;
ok(is_old(old(3), 3), 'without Redis: from the folder');
my $took = took(sub { $r = old(5) });
is($r->status, 503, '... and one that is nowhere is not to be had');
ok($r->header('Retry-After'), '... with Retry-After');
like($r->body, qr/cannot be fetched/, '... and a sentence');
cmp_ok($took, '<', 8, '... in bounded time');
$took = took(sub { is(old(5)->status, 503, 'asked for again at once') });
cmp_ok($took, '<', 2, '... it is remembered that it could not be had');
is($t->get('/privacy/log/8')->status, 503, 'nor is the entry itself');
is($t->get('/')->status, 200, 'pages are served');
$t->redis->start;
ok(wait_for(sub { is_old(old(5), 5) }, 20), 'Redis is back: it is there');

# Redis hangs: those who ask wait, pages do not; a client that leaves is forgotten

fresh();
wait_for(sub { json($t->get('/status')->body)->{redis}{connected} });
unlink file($_) for 5 .. 9;
$t->redis->pause;
my $leaver = $t->connect;
$leaver->write("GET /privacy/versions/v6.md HTTP/1.1\r\nHost: x\r\n\r\n");
my @waiting = map { asking("/privacy/versions/v7.md?lang=en") } 1 .. 20;
my $sealed_waiter = $t->connect;
$sealed_waiter->write("GET /privacy/log/9 HTTP/1.1\r\nHost: x\r\n\r\n");
sleep 0.3;
$took = took(sub { is($t->get('/')->status, 200, 'Redis hangs: a page') });
cmp_ok($took, '<', 2, '... waits for nothing');
close $leaver->{socket};
sleep 0.2;
my $gets = sub { $t->redis->command('INFO', 'commandstats') =~ /cmdstat_get:calls=(\d+)/ ? $1 : 0 };
$t->redis->resume;
is(scalar(grep { is_old($_->read('GET'), 7) } @waiting), 20, 'twenty who asked for the same version have it');
is($sealed_waiter->read('GET')->status, 200, 'and one who asked for a sealed entry');
cmp_ok($gets->(), '<=', 6 + 3, '... with one load for all of them');
ok(is_old(old(6), 6), 'what a client left is there all the same');
is_deeply([$t->problems], [], 'nothing alarming');

# A reload and a dead worker while versions are on their way

fresh();
wait_for(sub { json($t->get('/status')->body)->{redis}{connected} });
unlink file($_) for 1 .. 6;
$t->redis->pause;
@waiting = map { asking("/privacy/versions/v$_.md?lang=en") } 1 .. 6;
sleep 0.2;
my ($before) = $t->workers;
my $begin = time;
ok($t->reload, 'a reload while six wait');
$t->redis->resume;
my $late = time - $begin > 2.5;                     # a machine with too much to do: what Redis owes is given up after 3 s
my @answered = map { $_->read('GET') } @waiting;
is(scalar(grep { is_old($answered[$_], $_ + 1) || $late && $answered[$_]->status == 503 } 0 .. 5), 6,
    '... they are answered by the old worker') or diag(map { $_->as_text } @answered);
ok(wait_for(sub { !kill 0, $before }), '... which then leaves');
ok(is_old(old($_), $_), "v$_ from the new one") for 1, 6;

unlink file($_) for 1 .. 6;
fresh();
wait_for(sub { json($t->get('/status')->body)->{redis}{connected} });
$t->redis->pause;
@waiting = map { asking("/privacy/versions/v$_.md?lang=en") } 1 .. 6;
sleep 0.2;
ok($t->kill_worker, 'a worker is killed while six wait');
$t->redis->resume;
ok(wait_for(sub { is_old(old(4), 4) }), 'another one answers');
ok(wait_for(sub { !grep { !-e file($_) } 1 .. 12 }, 20), 'and the folder is complete again');

# More at once than a worker takes on: told to come again, and nothing else suffers

publish(0) for 13 .. 80;
ok(wait_for(sub { $t->get('/')->header('X-Version') eq 'v80' }), 'eighty versions');
wait_for(sub { !grep { !-e file($_) } 1 .. 80 }, 30);
fresh();
wait_for(sub { json($t->get('/status')->body)->{redis}{connected} });
unlink file($_) for 1 .. 79;
$t->redis->pause;
@waiting = map { asking("/privacy/versions/v$_.md?lang=en") } 1 .. 79;
wait_for(sub { 15 <= (() = IO::Select->new(map { $_->{socket} } @waiting)->can_read(0)) }, 20);
is($t->get('/')->status, 200, 'a page while as many wait as can');
$t->redis->resume;
my %status;
my @answers = map { $waiting[$_]->read('GET') } 0 .. 78;
$status{$_->status}++ for @answers;
cmp_ok($status{200} // 0, '<=', 64, 'as many as a worker takes on have their version');
is(($status{200} // 0) + ($status{503} // 0), 79, '... the others are told to come again');
is(scalar(grep { $_->status == 503 && !$_->header('Retry-After') } @answers), 0, '... and when');
# one that Redis, stopped for too long, did not give is not asked for again at once
for my $n (1, 64, 79) {
    ok(wait_for(sub { is_old(old($n), $n) }), "v$n a moment later");
}

# Bounded memory

$begin = time;
publish(500_000) for 81 .. 92;
my $ahead = 8 + (time - $begin) / 3;                # time enough to publish one and to take it back
ok(wait_for(sub { $t->get('/')->header('X-Version') eq 'v92' }), 'versions of a megabyte');
is(old($_)->status, 200, "v$_") for 81 .. 91;
my $memory = json($t->get('/status')->body)->{node}{archive_memory};
cmp_ok($memory, '<=', 8 * 1024 * 1024, 'what nobody uses is bounded');
cmp_ok($memory, '>', 4 * 1024 * 1024, '... and worth having');
ok(is_old(old(81), 81), 'what went from memory is read again');

# Withdrawn before its time: known, loaded ahead, and never in force

my $never = int(time + $ahead);
publish(0, version => 'never', effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $never));
ok(wait_for(sub { -e file(93) }), 'a version that is taken back');
my ($status, $out) = $t->ctl('withdraw', 'never', '--reason', 'A mistake.', $t->ctl_site, '--yes',
    '--key', $t->keys_dir . "/$site.key");
is($status, 0, '... before it comes into force') or diag($out);
ok(wait_for(sub { -e file(94) }), '... the withdrawal is an entry of its own');
$log = json($t->get('/privacy/log')->body);
is_deeply([@{$log->{entries}[93]}{qw(number kind withdraws)}], [94, 'withdrawal', 93], '... the log says so');
is($log->{entries}[92]{withdrawn}, 94, '... of both');
is($t->get('/privacy/log/94')->body, slurp(file(94)), '... and has it');
like($t->get('/privacy/versions/never.md?lang=en')->body, qr/^Text of v93/m, 'it can be read');
wait_for(sub { time > $never + 1 }, $ahead + 10);
is($t->get('/')->header('X-Version'), 'v92', 'its time comes, and it does not');

# Known before its time, and exact

my $soon = int(time + $ahead);
publish(0, version => 'soon', effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $soon));
ok(wait_for(sub { -e file(95) }), 'a version that comes into force later');
is($t->get('/')->header('X-Version'), 'v92', '... is not yet in force');
$t->redis->kill;
unlink file(95);
ok(wait_for(sub { $t->get('/')->header('X-Version') eq 'soon' }, $soon + 3 - time),
    '... and is when its time comes, from memory, not later');
cmp_ok(time, '>=', $soon, '... nor earlier');

$t->finish;
