#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# verify-backup proves the notices of a backup: whatever whoever can write to Redis does to their stream is named.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('backup_notices', module => '');
my ($site, $keys, $dir, $redis) = ($t->site, $t->keys_dir, $t->dir, $t->redis);
my @public = ('--site', $site, '--public', "$keys/$site.pub");
my $stream = "privacy:$site:notices";
my $count = 132;                                # more than are judged at once
my ($status, $out);

$redis->start('appendonly no');
$t->publish($t->bundle);
sub told {
    my ($n, @key) = @_;
    for (1 .. $n) {
        my $text = '{"title":"T' . ++$t->{told} . '","summary":"S"}';
        spew("$dir/notice.json", qq({"kind":"announcement","texts":{"zh-CN":$text,"en":$text}}));
        ($status, $out) = $t->ctl('notice', 'send', "$dir/notice.json", $t->ctl_site, @key, '--all', '--yes');
        die $out if $status;
    }
}
my @old = ('--key', "$keys/$site.key");
told(2, @old);
my $rival = ($redis->command('XRANGE', $stream, '2-0', '2-0'))->[0][1][1];
$redis->command('DEL', $stream);
told($count - 2, @old);
($status, $out) = $t->ctl('notice', 'retract', 'n130', $t->ctl_site, '--key', "$keys/$site.key", '--reason', 'No.');
is($status, 0, 'notices, and one taken back') or diag $out;

# A new key signs from here on

($status, $out) = $t->ctl('rollover', "$dir/next", '--key', "$keys/$site.key", $t->ctl_site, '--yes');
is($status, 0, 'the publication is handed over') or diag $out;
told(1, '--key', "$dir/next/$site.key");

my @stream = map { [$_->[0] =~ /^(\d+)-0$/, $_->[1][1]] } @{$redis->command('XRANGE', $stream, '-', '+')};
is(scalar @stream, $count, 'all are there');

verified('as they were sent', @stream);
is($status, 0, '... hold') or diag $out;
like($out, qr/^  $count in the stream of notices: signatures and chain hold$/m, '... which is said') or diag $out;
($status, $out) = $t->ctl('verify-backup', "$dir/backup", '--site', $site);
is($status, 0, 'without a key') or diag $out;
like($out, qr/^  $count in the stream of notices \(not proven: --public\)$/m, '... nothing is said to be proven');
($status, $out) = $t->ctl('verify-backup', '--json', "$dir/backup", @public);
is_deeply([@{json($out)}{qw(notices notices_proven wrong)}], [$count, JSON::PP::true(), 0], '... and for programs');

# Somebody else's key, for the same site

my $other = Test::Privacy::Redis->new("$dir/other")->start('appendonly no');
my @thief = ('--site', $site, '--redis', $other->url, '--key', "$dir/thief/$site.key", '--yes');
$t->ctl('keygen', '--site', $site, "$dir/thief");
$t->ctl('publish', $t->bundle, @thief);
$t->ctl('notice', 'send', "$dir/notice.json", @thief, '--all');
my $stranger = $other->command('XRANGE', $stream, '-', '+')->[0][1][1];
$other->stop;

my @harm = (
    ['one taken out', qr/n2 is not in it, or not in its place: n3 stands there/, sub { splice @_, 1, 1; @_ }],
    ['one in place of another', qr/notice n2: does not name the notice before it/, sub { $_[1][1] = $rival; @_ }],
    ['the first taken out', qr/n1 is not in it/, sub { @_[1 .. $#_] }],
    ['one taken out where a window ends', qr/n128 is not in it/, sub { splice @_, 127, 1; @_ }],
    ['a word changed', qr/notice n2: /, sub { $_[1][1] =~ s/"S"/"X"/; @_ }],
    ['a signature changed', qr/notice n2: its signature does not hold/, sub { substr($_[1][1], -3, 1) ^= "\1"; @_ }],
    ['one under another number', qr/notice n2: is another one than that of its entry/,
        sub { $_[1][1] = $_[2][1]; @_ }],
    ['one that somebody else signed', qr/notice n1: its signature does not hold/, sub { $_[0][1] = $stranger; @_ }],
    ['what is none', qr/entry 2-0 is not one of ours/, sub { $_[1][1] = ''; $_[1][2] = 'other'; @_ }],
    ['what is cut', qr/notice n2: /, sub { substr($_[1][1], -10) = ''; @_ }],
);
for (@harm) {
    my ($what, $said, $harm) = @$_;
    verified($what, $harm->(map { [@$_] } @stream));
    is($status, 1, "$what: found");
    like($out, qr/WRONG: .*$said/, '... and named') or diag $out;
}

$redis->command('XDEL', "privacy:$site:policies", '2-0');
verified('a log that is shorter than the notices know', @stream);
is($status, 1, 'a log that is shorter than a notice knows');
like($out, qr/1 of n129 to n132 knew more of the log than is in the backup/, '... is named') or diag $out;

$t->finish;


# A backup of a Redis with this stream: [NUMBER, SEALED, FIELD].
sub verified {
    my ($what, @entries) = @_;

    $redis->command('DEL', $stream);
    $redis->command('XADD', $stream, "$_->[0]-0", $_->[2] // 'sealed', $_->[1]) for @entries;
    unlink "$dir/backup";
    ($status, $out) = $t->ctl('backup', $t->ctl_site, '--output', "$dir/backup");
    die "$what: $out" if $status;
    ($status, $out) = $t->ctl('verify-backup', "$dir/backup", @public);
}
