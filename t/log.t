#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The publication log as privacyctl keeps it and nginx follows it: versions that are withdrawn before they come into
# force, keys that hand over to new ones, keys that do not fit, a log that is refilled with all of that, and publishers
# that are killed at any point.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Path qw(make_path);
use IO::Select ();
use IO::Socket::UNIX ();
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('log', workers => 2);
$t->redis->start;
$t->upstream(sub { return { headers => ['Content-Type' => 'text/plain'], body => 'hello' } });
$t->config(site_conf(<<'CONF'));
    add_header X-Version "$privacy_version" always;
    add_header X-Worker "$pid" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF

my $site = $t->site;
my $keys = $t->keys_dir;
my $old = "$keys/$site.key";
my @public = ('--public', "$keys/$site.pub");
my $key = $old;

sub publish { return $t->ctl('publish', @_, $t->ctl_site, '--key', $key, '--yes') }
sub withdraw { return $t->ctl('withdraw', @_, $t->ctl_site, '--key', $key, '--yes') }
sub rollover { return $t->ctl('rollover', @_, $t->ctl_site, '--yes') }
sub versions { return json(($t->ctl('versions', $t->ctl_site, @public, '--json'))[1]) }
sub in_days { return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime time + 86400 * shift) }
sub editorial { return (changes => [{ kind => 'editorial', summary => { 'zh-CN' => 'x', en => 'x' } }]) }
sub file { return sprintf '%s/cache/%s/%010d.bundle', $t->dir, $site, shift }

sub seen {
    my %said;
    for (1 .. 40) {
        my $r = $t->get('/');
        $said{$r->header('X-Worker')} = $r->header('X-Version') // '';
    }
    my %all = map { $_ => 1 } values %said;
    return join ' ', sort keys %all;
}

# Withdrawn before its time

$t->start;
my ($status, $out) = publish($t->bundle(version => 'one'));
is($status, 0, 'a first version') or diag($out);
($status, $out) = publish($t->bundle(version => 'two', effective => in_days(20), editorial()));
is($status, 0, 'one that comes later') or diag($out);
($status, $out) = publish($t->bundle(version => 'soon', effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime time + 6),
    editorial()));
is($status, 1, 'none can come before it') or diag($out);

($status, $out) = withdraw('two');
is($status, 2, 'a withdrawal needs a reason');
($status, $out) = withdraw('none', '--reason', 'x');
is($status, 1, 'a version that there is not');
($status, $out) = withdraw('one', '--reason', 'x');
is($status, 1, 'a version in force is not withdrawn');
like($out, qr/in force/, '... and this is said');
is(scalar @{versions()}, 2, '... nothing was written');

($status, $out) = withdraw('two', '--reason', 'A mistake in section 3');
is($status, 0, 'withdrawn') or diag($out);
($status, $out) = withdraw('two', '--reason', 'again');
is($status, 0, 'again: harmless');
like($out, qr/already withdrawn/, '... and said');
my @all = @{versions()};
is_deeply([map { $_->{kind} } @all], [qw(version version withdrawal)], 'it stays in the log');
ok($all[1]{withdrawn} && !$all[0]{withdrawn}, '... as withdrawn');
is($all[2]{reason}, 'A mistake in section 3', '... with the reason');
is(scalar(grep { $_->{verified} } @all), 3, '... and all of it verifies');
($status, $out) = publish($t->bundle(version => 'two', effective => in_days(20), editorial()));
is($status, 1, 'its id is used up');
like($out, qr/withdrawn/, '... and this is said');

my $soon = time + 4;
($status, $out) = publish($t->bundle(version => 'soon', effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $soon),
    editorial()));
is($status, 0, 'the next one follows the one that was not withdrawn') or diag($out);
ok(wait_for(sub { -e file(4) }, 20), 'nginx keeps every kind of entry');
ok(wait_for(sub { seen() eq 'soon' }, 20), '... and puts the right one in force');
is_deeply([map { $_->{in_force} ? $_->{version} : () } @{versions()}], ['soon'], '... as versions says');

# A new key

($status, $out) = rollover("$keys/next", '--key', $old);
is($status, 0, 'a new key') or diag($out);
ok(-e "$keys/next/$site.key" && -e "$keys/next/$site.pub", '... is in its folder');
is((stat "$keys/next/$site.key")[2] & 0777, 0600, '... and nobody else reads it');
($status, $out) = rollover("$keys/next", '--key', $old);
is($status, 0, 'again: harmless');
like($out, qr/already/, '... and said');
($status, $out) = rollover("$keys/another", '--key', $old);
is($status, 1, 'the old key hands nothing over any more');
my $five = $t->bundle(version => 'five', effective => in_days(0), editorial());
($status, $out) = publish($five);
is($status, 1, '... and publishes nothing');
like($out, qr/signs nothing any more/, '... which is said');
($status, $out) = withdraw('soon', '--reason', 'x');
is($status, 1, '... and withdraws nothing');

$key = "$keys/next/$site.key";
($status, $out) = publish($five);
is($status, 0, 'the new one publishes') or diag($out);
ok(wait_for(sub { seen() eq 'five' }, 20), 'nginx, configured with the old key, follows');
is(scalar(grep { $_->{verified} } @{versions()}), 6, 'all verifies from the old key');
my @old_public = @public;
@public = ('--public', "$keys/next/$site.pub");
is(scalar(grep { $_->{verified} } @{versions()}), 6, '... and from the new one');
$t->ctl('keygen', '--site', $site, "$keys/foreign");
@public = ('--public', "$keys/foreign/$site.pub");
is(scalar(grep { $_->{verified} } @{versions()}), 0, '... and from no other');
@public = @old_public;

($status, $out) = rollover("$keys/third", '--key', "$keys/foreign/$site.key");
is($status, 1, 'a foreign key hands nothing over');
ok(!-e "$keys/third/$site.key", '... and no new pair is made');
$t->stop;
$t->start;
is(seen(), 'five', 'after a restart, from the folder: the same');

# Redis lost everything: all kinds come back, once the node's folder has them

my @digests = map { $_->{digest} } @{versions()};
ok(wait_for(sub { !grep { !-e file($_) } 1 .. 6 }), 'the folder has every entry');
$t->redis->command('FLUSHALL');
($status, $out) = publish($five, '--cache', $t->dir . '/cache');
is($status, 0, 'refilled') or diag($out);
is_deeply([map { $_->{digest} } @{versions()}], \@digests, '... with every kind of entry, in order');
is(scalar(grep { $_->{verified} } @{versions()}), 6, '... and all of it verifies');

# Killed at any point. A proxy in front of Redis lets so many commands pass and then kills the publisher: before, or
# after, Redis carried the last one out.

my $proxy_path = $t->dir . '/proxy.sock';

sub proxy {
    my ($commands, $answer) = @_;
    unlink $proxy_path;
    my $listener = IO::Socket::UNIX->new(Local => $proxy_path, Listen => 5) or die "listen: $!";
    my $pid = fork // die "fork: $!";
    return ($pid, $listener) if $pid;

    my $client = $listener->accept;
    my $server = IO::Socket::UNIX->new(Peer => ($t->redis->url =~ m{^unix:([^?]+)})[0]) or POSIX::_exit(1);
    my $select = IO::Select->new($client, $server);
    my $passed = 0;
    while (my @ready = $select->can_read(5)) {
        for my $socket (@ready) {
            my $n = sysread $socket, my $bytes, 1 << 20;
            POSIX::_exit(0) if !$n;
            if ($socket == $client) {
                my @words = $bytes =~ /^\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n/gm;
                POSIX::_exit(0) if $passed + @words > $commands && !$answer;
                $passed += @words;
                syswrite $server, $bytes;
                if ($passed > $commands && $answer) {
                    sysread $server, $bytes, 1 << 20;       # carried out, and nobody hears of it
                    POSIX::_exit(0);
                }
            } else {
                syswrite $client, $bytes;
            }
        }
    }
    POSIX::_exit(0);
}

sub sound {
    my ($what) = @_;
    my @log = @{versions()};
    my @numbers = map { $_->{number} } @log;
    is_deeply(\@numbers, [1 .. @numbers], "$what: no gap");
    is(scalar(grep { !$_->{verified} } @log), 0, "$what: no fork");
    return scalar @log;
}

my $before = sound('before');
my $number = $before;
my %cut;
for my $answer (0, 1) {
    for my $commands (0 .. 12) {
        my $bundle = $t->bundle(version => "cut-$answer-$commands", effective => in_days(0), editorial());
        my ($proxy, $listener) = proxy($commands, $answer);
        my ($code) = $t->ctl('publish', $bundle, '--site', $site, '--key', $key, '--yes', '--redis',
            "unix:$proxy_path");
        close $listener;
        waitpid $proxy, 0;
        $cut{$code}++;
        ($status, $out) = publish($bundle);
        is($status, 0, "cut at command $commands: publishing again finishes it") or diag($out);
        $number++;
        is(scalar @{versions()}, $number, '... once');
    }
}
cmp_ok($cut{3}, '>=', 8, 'the publisher says when it was cut off');
is_deeply([sort keys %cut], [0, 3], "... and else succeeds") or diag(join " ", %cut);
sound('after cuts');

for my $round (1 .. 20) {
    my $bundle = $t->bundle(version => "killed-$round", effective => in_days(0), editorial());
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec { $t->{ctl} } $t->{ctl}, 'publish', $bundle, $t->ctl_site, '--key', $key, '--yes' or POSIX::_exit(127);
    }
    sleep rand 0.05;
    kill KILL => $pid;
    waitpid $pid, 0;
    ($status, $out) = publish($bundle);
    is($status, 0, 'killed, then published again') or diag($out);
}
is(sound('after kills'), $number + 20, 'each once');

# A third key, with versions before and between: each of the three follows the log, the newest alone adds to it

($status, $out) = publish($t->bundle(version => 'between', effective => in_days(10), editorial()));
is($status, 0, 'between two keys') or diag($out);
($status, $out) = rollover("$keys/newest", '--key', $key);
is($status, 0, 'a third key') or diag($out);
my @second_public = ('--public', "$keys/next/$site.pub");
$key = "$keys/newest/$site.key";
($status, $out) = withdraw('between', '--reason', 'x');
is($status, 0, '... withdraws what the second one published') or diag($out);
my $six = $t->bundle(version => 'six', effective => in_days(0), editorial());
($status, $out) = publish($six);
is($status, 0, '... and publishes') or diag($out);
for my $public (\@old_public, \@second_public, ['--public', "$keys/newest/$site.pub"]) {
    @public = @$public;
    is(scalar(grep { !$_->{verified} } @{versions()}), 0, 'all verifies');
    ($status, $out) = $t->ctl('check', $six, $t->ctl_site, @public);
    is($status, 0, '... and can be followed') or diag($out);
}
@public = @old_public;
ok(wait_for(sub { seen() eq 'six' }, 20), 'nginx, configured with the first key, follows');

# Publishers, withdrawers and a rollover at once

($status, $out) = publish($t->bundle(version => 'late', effective => in_days(30), editorial()));
is($status, 0, 'one that comes later') or diag($out);
$number = @{versions()};
my @commands = (
    (map { ['publish', $t->bundle(version => "race-$_", effective => in_days(40), editorial()), '--key', $key] } 1 .. 3),
    ['withdraw', 'late', '--reason', 'x', '--key', $key],
    ['rollover', "$keys/race", '--key', $key],
);
my @pids = map {
    my @arguments = @$_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec { $t->{ctl} } $t->{ctl}, @arguments, $t->ctl_site, '--yes' or POSIX::_exit(127);
    }
    $pid;
} @commands;
my $done = grep { waitpid($_, 0); $? == 0 } @pids;
cmp_ok($done, '>=', 1, 'five at once: one wins at least');
is(sound('after a race'), $number + $done, 'who was told so is in the log, nobody else is');

$t->finish;
