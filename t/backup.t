#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Backup and restore: whatever a site has in Redis comes back as it was, with its times of expiry; interrupted at any
# point both go on; nothing is overwritten; what was altered is found, and named.

use strict;
use warnings;

use FindBin;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('backup');
my $dir = $t->dir;
my $site = $t->site;
my $other = Test::Privacy::Redis->new("$dir/other");
my @public = ('--public', $t->keys_dir . "/$site.pub");
my @proof = (@public, '--keys', $t->keys_dir . '/keys');

$t->redis->start('appendonly no');
$other->start('appendonly no');
$t->upstream(sub { return { headers => ['Content-Type' => 'text/html'], body => '<!doctype html><body>hi</body>' } });
$t->publish($t->bundle);
$t->publish($t->bundle(version => '2026-02-01', effective => '2099-02-01T00:00:00Z',
    changes => [{ kind => 'editorial', summary => { 'zh-CN' => 'Words', en => 'Words' } }]));
my ($status, $out) = $t->ctl('withdraw', '2026-02-01', $t->ctl_site, '--key', $t->keys_dir . "/$site.key",
    '--reason', 'No.', '--yes');
is($status, 0, 'two versions, and one withdrawn') or diag $out;
$t->config(site_conf(<<'CONF'));
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;

my $network = 0;
sub visitor { return $t->visitor(headers => ['X-Real-IP' => '10.' . int(++$network / 200) . '.' . $network % 200 . '.1']) }

my @visitors = map { visitor() } 1 .. 12;
for my $v (@visitors) {
    $v->get('/');
    $v->choose($network++ % 2 ? 'accept_all' : 'reject_all');
}
for my $v (@visitors[0 .. 3]) {
    $v->get('/privacy/choices');
    $v->choose('withdraw');
}

# What nothing here writes yet, and bytes of all kinds

my $redis = $t->redis;
my $user = join '', map { chr } 0 .. 15;
my $subject = 'AAECAwQFBgcICQoLDA0ODw';
$redis->command('HSET', "privacy:$site:users:00", $user, 1790000000);
$redis->command('HSET', "privacy:{$site:$subject}:notices", 'v2:written', 1790000000,
    'v2:later', '0123456789abcdef 1790000000');
$redis->command('PEXPIRE', "privacy:{$site:$subject}:notices", 86400000);
$redis->command('XADD', "privacy:$site:requests", '5-3', 'what', "a\0\xff\n\"\\b", 'plain', 'base64url:eA');
$redis->command('XADD', "privacy:$site:tombstones", "$_-0", 'id', "x$_") for 1 .. 300;
my $list = do { require Digest::SHA; Digest::SHA::sha256_hex($user) };
$redis->command('SADD', "privacy:$site:audience:$list", $user);

# Another site's, and a stranger's
$redis->command('SET', 'privacy:example2:form:0000000000000001', 'no');
$redis->command('SET', 'privacy:other:x', 'no');

my $before = everything($redis, $site);
is(scalar keys %$before, 12 + 2 + 3 + 6, 'there is something of every kind');

# There and back

my @from = ('--site', $site, '--redis', $redis->url);
my @to = ('--site', $site, '--redis', $other->url);
my $file = "$dir/site.backup";
($status, $out) = $t->ctl('backup', @from, '--output', $file);
is($status, 0, 'backup') or diag $out;
like($out, qr/12 ledgers/, '... says what is in it');
is((stat $file)[2] & 0777, 0600, '... for its owner only');
my @lines = split /^/, slurp($file);
is(scalar(grep { !/\A\{"v":1,.*,"sum":"[0-9a-f]{16}"\}\n\z/s } @lines), 0, '... lines with a format and a sum');
ok(!(grep { /[^\x0a\x20-\x7e]/ } @lines), '... ASCII');
is(scalar(grep { !eval { json($_) } } @lines), 0, '... JSON, a line each');
my ($footer) = map { json($_) } $lines[-1];
is($footer->{sha256}, Digest::SHA::sha256_hex(join '', @lines[0 .. $#lines - 1]), '... and its digest is that of its bytes');

($status, $out) = $t->ctl('verify-backup', $file, '--site', $site, @proof);
is($status, 0, 'verified') or diag $out;
like($out, qr/12 subjects with 16 records: every chain holds/, '... in words') or diag $out;
like($out, qr/3 published entries: signatures and chain hold/, '... with the log');
($status, $out) = $t->ctl('backup', @from, '--output', $file);
is($status, 1, 'a file is not overwritten');
($status, $out) = $t->ctl('backup', @from, '--output', $file, '--resume');
is("$status $out", "0 $file is whole already\n", '... and nothing is left to go on with');

($status, $out) = $t->ctl('restore', @to, $file);
is($status, 0, 'restored') or diag $out;
like($out, qr/^\d+ items written, 0 there already, 0 expired, 0 conflicts$/m, '... all of it');
is_deeply(everything($other, $site), $before, 'byte for byte, with the times of expiry');
is($other->command('EXISTS', 'privacy:example2:form:0000000000000001', 'privacy:other:x'), 0, '... and nothing else');
($status, $out) = $t->ctl('restore', @to, '--json', $file);
is($status, 0, 'restored again');
is_deeply([@{json($out)}{'written', 'conflicts'}], [0, 0], '... is harmless');
is_deeply(everything($other, $site), $before, '... and changes nothing');
($status, $out) = $t->ctl('versions', @to, @public);
is($status, 0, 'the log is there') or diag $out;

# The site goes on meanwhile: what was not there yet comes with the next one, and nothing is lost or doubled

$visitors[0]->get('/privacy/choices');
is($visitors[0]->choose('accept_all')->status, 303, 'a further choice');
($status, $out) = pipe_through(\@from, \@to);
is($status, 0, 'a second pass, by a pipe') or diag $out;
like($out, qr/\b1 item written,/, '... brings what is new') or diag $out;
is_deeply(everything($other, $site), everything($redis, $site), '... and both are the same');
$before = everything($redis, $site);

# What differs is said, and kept

my ($key) = grep { /ledger$/ } sort keys %$before;
my $mine = $redis->command('HGET', $key, 1);
$other->command('HSET', $key, 1, 'something else');
my $form = (grep { /:form:/ } sort keys %$before)[0];
$other->command('SET', $form, 'another form');
$other->command('DEL', "privacy:$site:requests");
$other->command('XADD', "privacy:$site:requests", '5-3', 'what', 'another');
$other->command('HSET', "privacy:{$site:$subject}:notices", 'v2:later', 'fedcba9876543210 1790000001');
($status, $out) = $t->ctl('restore', @to, '--json', $file);
is($status, 1, 'what differs');
is((json_of($out))->{conflicts}, 3, '... is a conflict');
like($out, qr/conflict: \Q$_\E\b/, "... named: $_") for "$key 1", $form, "privacy:$site:requests 5-3";
is($other->command('HGET', $key, 1), 'something else', '... and kept');
$other->command('FLUSHALL');

# Times of expiry: never brought forward

$other->command('HSET', $key, 1, $mine);
my $later = 4102444800000;
$other->command('PEXPIREAT', $key, $later);
$t->ctl('restore', @to, $file);
is($other->command('PEXPIRETIME', $key), $later, 'what is there and expires later does so still');
$other->command('FLUSHALL');
is(($t->ctl('restore', '--site', 'another', '--redis', $other->url, $file))[0], 1, 'another site\'s backup is refused');

# What has expired since is left out; what was erased since comes back

my $soon = "privacy:{$site:expiresexpiresexpiresA}:ledger";
$redis->command('COPY', $key, $soon);
$redis->command('PEXPIREAT', $soon, 1000 * int(time + 10));     # looked at by the second
is(($t->ctl('backup', @from, '--output', "$dir/soon"))[0], 0, 'a backup of what will expire');
ok(wait_for(sub { !$redis->command('EXISTS', $soon) }, 30), '... which it does');
like(($t->ctl('restore', @to, "$dir/soon"))[1], qr/, 1 expired, 0 conflicts$/m, '... and is left out');
is($other->command('EXISTS', $soon), 0, '... of what is restored');
$other->command('DEL', $key);
like(($t->ctl('restore', @to, "$dir/soon"))[1], qr/, 1 expired, 0 conflicts$/m, 'one that was erased since');
is($other->command('EXISTS', $key), 1, '... comes back');
$other->command('FLUSHALL');

# Altered at any place: found, named by its line, and nothing is restored

my $whole = slurp($file);
my ($ledger, $shown, $logged) = map { my $kind = $_; (grep { $lines[$_] =~ /"$kind"/ } 0 .. $#lines)[0] }
    qw(ledger form entry);
my $extra = qq({"v":1,"form":"0000000000000001","value":"x","sum":"0123456789abcdef"}\n);

# what is done to the lines, and the number of the first one that cannot be right
my %harm = (
    'a record changed' => [$ledger + 1, sub { $_[0][$ledger] =~ s/(base64url:.{20})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e }],
    'a line taken out' => [$shown + 1, sub { splice @{$_[0]}, $shown, 1 }],
    'two lines swapped' => [$ledger + 1, sub { @{$_[0]}[$ledger, $ledger + 1] = @{$_[0]}[$ledger + 1, $ledger] }],
    'a line twice' => [$logged + 2, sub { splice @{$_[0]}, $logged, 0, $_[0][$logged] }],
    'a line more' => [4, sub { splice @{$_[0]}, 3, 0, $extra }],
);
for my $what (sort keys %harm) {
    my ($line, $harm) = @{$harm{$what}};
    my @l = @lines;
    $harm->(\@l);
    spew("$dir/harmed", join '', @l);
    for my $command (['verify-backup', @proof], ['restore', @to]) {
        ($status, $out) = $t->ctl(@$command, "$dir/harmed");
        is($status, 1, "$what: $command->[0]");
        like($out, qr/harmed:$line: was altered/, '... names the line') or diag $out;
    }
    is($other->command('DBSIZE'), 0, '... and nothing is restored');
}
spew("$dir/harmed", join '', @lines[0 .. $#lines - 1]);
($status, $out) = $t->ctl('verify-backup', "$dir/harmed");
like("$status $out", qr/^1 .*is not whole/s, 'an end that is missing');
is(($t->ctl('restore', @to, "$dir/harmed"))[0], 1, '... is not restored');
is($other->command('DBSIZE'), 0, '... nothing of it');
is(($t->ctl('restore', @to, '--partial', "$dir/harmed"))[0], 0, '... unless that is what one wants');
$other->command('FLUSHALL');

# Formats: a newer one is named

spew("$dir/newer", $whole =~ s/^\{"v":1,/{"v":2,/r);
($status, $out) = $t->ctl('verify-backup', "$dir/newer");
like("$status $out", qr/^1 .*newer:1: is in format 2, and this privacyctl reads formats up to 1: use a newer one/, 'a newer format is named');
spew("$dir/none", "hello\n");
like(($t->ctl('restore', @to, "$dir/none"))[1], qr/none:?1?:? is no backup/, 'what is none, too');

# What was wrong in Redis already is found by whoever has the keys

$redis->command('HSET', $key, 1, substr($mine, 0, -1) . chr(ord(substr $mine, -1) ^ 1));
$redis->command('SET', "privacy:{$site:BBBBBBBBBBBBBBBBBBBBBA}:ledger", 'a string');
$redis->command('SET', "privacy:{$site:x}:ledger", 'no subject');
($status, $out) = $t->ctl('backup', @from, '--output', "$dir/wrong.backup");
is($status, 1, 'what is no ledger is left out');
like($out, qr/left out: privacy:\{$site:BBBBBBBBBBBBBBBBBBBBBA}:ledger: is not what it has to be/, '... and said');
like($out, qr/left out: privacy:\{$site:x}:ledger: is none of the keys that a site has/, '... so is what is nobody\'s');
($status, $out) = $t->ctl('verify-backup', "$dir/wrong.backup", @proof);
is($status, 1, 'a record that was changed in Redis');
my ($whose) = $key =~ /:(.{22})}/;
like($out, qr/WRONG: ledger \Q$whose\E: position 1 does not hold: changed/, '... is named') or diag $out;
is(($t->ctl('verify-backup', "$dir/wrong.backup"))[0], 0, '... which needs the keys');
$redis->command('HSET', $key, 1, $mine);
$redis->command('DEL', "privacy:{$site:BBBBBBBBBBBBBBBBBBBBBA}:ledger", "privacy:{$site:x}:ledger");

# Interrupted by kill -9 at several points, and gone on with: many subjects, so that there is time for it

$t->stop;
my $many = $ENV{TEST_BACKUP_SUBJECTS} || 100_000;
fill($redis, $many, $mine);
my $all = $many + 12;
is(subjects($redis), $all, "$all subjects");

my $kills = 0;
unlink "$dir/many.backup";
for my $part (1, 3, 2, 4, 1) {
    $kills += interrupted(sub { -s "$dir/many.backup" || 0 }, $part * 2_000_000,
        'backup', @from, '--output', "$dir/many.backup", '--resume');
}
cmp_ok($kills, '>=', 3, "killed $kills times");
($status, $out) = $t->ctl('verify-backup', "$dir/many.backup");
like("$status $out", qr/^1 .*not whole/s, 'what is there is not whole');
($status, $out) = $t->ctl('backup', @from, '--output', "$dir/many.backup", '--resume', '--json');
is($status, 0, 'gone on with to the end') or diag $out;
cmp_ok((json_of($out))->{ledgers}, '>=', $all, '... with every ledger');
($status, $out) = $t->ctl('verify-backup', '--json', "$dir/many.backup");
is($status, 0, '... whole') or diag $out;
my %seen;
open my $in, '<', "$dir/many.backup" or die $!;
while (<$in>) { $seen{$1}++ if /"ledger":"([^"]+)"/ }
close $in;
is(scalar keys %seen, $all, '... each of them');

# A server that was started anew lists its keys in another order: its section is read again

unlink "$dir/again.backup";
interrupted(sub { -s "$dir/again.backup" || 0 }, 4_000_000, 'backup', @from, '--output', "$dir/again.backup", '--resume');
$redis->command('SAVE');
$redis->kill;
$redis->start('appendonly no');
is(subjects($redis), $all, 'Redis was started anew');
is(($t->ctl('backup', @from, '--output', "$dir/again.backup", '--resume'))[0], 0, 'gone on with all the same');
($status, $out) = $t->ctl('verify-backup', '--json', "$dir/again.backup");
is((json_of($out))->{subjects}, $all, '... each ledger once');

$kills = 0;
for my $part (1 .. 4) {
    $kills += interrupted(sub { eval { $other->command('DBSIZE') } || 0 }, $part * $many / 5,
        'restore', @to, "$dir/many.backup");
}
cmp_ok($kills, '>=', 2, "restoring was killed $kills times");
my $memory = memory('restore', @to, "$dir/many.backup");
is(subjects($other), $all, 'repeated to the end');
$redis->command('DEL', 'privacy:example2:form:0000000000000001', 'privacy:other:x');
is($other->command('DEBUG', 'DIGEST'), $redis->command('DEBUG', 'DIGEST'), '... to the last byte');
my @some = map { sprintf "privacy:{%s:%021dA}:ledger", $site, int rand $many } 1 .. 300;
is_deeply([map { $other->command('PEXPIRETIME', $_) } @some], [map { $redis->command('PEXPIRETIME', $_) } @some],
    '... and until the same time');

# Memory: that of a few batches, however many there are

unlink "$dir/memory.backup";
my %memory = (restore => $memory, backup => memory('backup', @from, '--output', "$dir/memory.backup"),
    verify => memory('verify-backup', "$dir/memory.backup"));
cmp_ok($memory{$_}, '<', $ENV{TEST_SANITIZE} ? 600 : 64, "$_ takes $memory{$_} MB") for sort keys %memory;

$other->stop;
$t->finish;


sub json_of { my ($text) = @_; my ($line) = $text =~ /^(\{.*\})$/m; return json($line // '{}') }

sub subjects { my ($r) = @_; return scalar(grep { /ledger$/ } @{$r->command('KEYS', "privacy:{$site:*")}) }


# Everything of the site, as it is told by reading it: {KEY => [EXPIRES, VALUE...]}.
sub everything {
    my ($r, $name) = @_;

    my %all;
    for my $key (map { @{$r->command('KEYS', $_)} } "privacy:$name:*", "privacy:{$name:*") {
        my $type = $r->command('TYPE', $key);
        my $value = $type eq 'hash' ? { @{$r->command('HGETALL', $key)} }
            : $type eq 'set' ? [sort @{$r->command('SMEMBERS', $key)}]
            : $type eq 'stream' ? $r->command('XRANGE', $key, '-', '+') : $r->command('GET', $key);
        $all{$key} = [$r->command('PEXPIRETIME', $key), $value];
    }
    return \%all;
}


# That many ledgers of one record.
sub fill {
    my ($r, $n, $record) = @_;

    my $socket = IO::Socket::UNIX->new(Peer => $r->socket, Type => SOCK_STREAM) or die $!;
    my $expires = (time + 86400) . '000';
    my $word = sub { map { '$' . length($_) . "\r\n$_\r\n" } @_ };
    for (my $done = 0; $done < $n; $done += 1000) {
        my $commands = '';
        for my $i ($done .. $done + 999) {
            my $key = sprintf "privacy:{%s:%021dA}:ledger", $site, $i;
            $commands .= join '', "*4\r\n", $word->('HSET', $key, 1, $record),
                "*3\r\n", $word->('PEXPIREAT', $key, $expires);
        }
        print {$socket} $commands;
        $socket->flush;
        <$socket> for 1 .. 2000;
    }
}


# Kills privacyctl once size() has reached that much; 1 when it was not through yet.
sub interrupted {
    my ($size, $enough, @command) = @_;

    my $start = $size->();
    my $pid = fork // die $!;
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        exec $t->{ctl}, @command or POSIX::_exit(127);
    }
    my $end = time + 30;
    while (time < $end) {
        return 0 if waitpid($pid, POSIX::WNOHANG()) > 0;
        last if $size->() >= $enough && $size->() != $start;
        sleep 0.002;
    }
    kill 'KILL', $pid;
    waitpid $pid, 0;
    return ($? & 127) == 9 ? 1 : 0;
}


# The most memory that privacyctl ever had, in MB.
sub memory {
    my (@command) = @_;

    my $pid = open(my $in, '-|') // die $!;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec 'sh', '-c', '"$@"; echo "status $?"', 'sh', qw(/usr/bin/env perl -e),
            'use POSIX; my $p = fork; exec @ARGV if !$p; my $most = 0; while (waitpid($p, WNOHANG) == 0) {'
            . ' if (open my $s, "<", "/proc/$p/status") { while (<$s>) { $most = $1 if /VmHWM:\s+(\d+)/ && $1 > $most } }'
            . ' select undef, undef, undef, 0.005 } print "memory $most\n"; exit $? >> 8', $t->{ctl}, @command;
    }
    my $said = join '', <$in>;
    close $in;
    like($said, qr/^status 0$/m, "$command[0] under watch") or diag $said;
    return $said =~ /^memory (\d+)/m ? int($1 / 1024) : 0;
}


sub pipe_through {
    my ($from, $to) = @_;

    my $quote = sub { join ' ', map { "'" . s/'/'\\''/gr . "'" } @_ };
    my $out = qx({ @{[$quote->($t->{ctl}, 'backup', @$from)]} | @{[$quote->($t->{ctl}, 'restore', @$to, '-')]}; } 2>&1);
    return ($? >> 8, $out);
}
