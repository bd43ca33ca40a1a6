#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl behind Sentinel: the master is found, followed when it changes, and waited for while there is none; what
# one sentinel says is not believed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use File::Path qw(make_path);
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Sentinel;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('ctl_sentinel', module => '');
my ($site, $keys, $dir) = ($t->site, $t->keys_dir, $t->dir);
my @public = ('--site', $site, '--public', "$keys/$site.pub");
my @key = ('--site', $site, '--key', "$keys/$site.key");
spew("$dir/password", "sesame\n");
spew("$dir/other", "guards\n");
my $sentinel = Test::Privacy::Sentinel->new("$dir/sentinel", replicas => 1, address => $t->address,
    lines => ['appendonly no', 'user ctl on >sesame ~* &* +@all'],
    sentinel_lines => ['user guard on >guards ~* &* +@all']);
$_->command('SENTINEL', 'DEBUG', 'info-period', 300, 'ping-period', 200, 'ask-period', 200, 'publish-period', 300)
    for $sentinel->sentinels;
my $plain = $sentinel->url;
my $url = $sentinel->url('ctl') . "?password_file=$dir/password&sentinel_user=guard&sentinel_password_file=$dir/other";
my ($status, $out);

sub ctl { ($status, $out) = $t->ctl(@_, '--redis', $url); return $status }
# A server that becomes another's replica, or no longer is one, closes all its connections.
sub ask { my ($node, @words) = @_; return eval { $node->command(@words) } // $node->command(@words) }
sub version { my ($id) = @_; return $t->bundle($id ? (version => $id, changes => [{ kind => 'editorial',
    summary => { 'zh-CN' => 'Words', en => 'Words' } }]) : ()) }

is(ctl('publish', version(), @key, '--yes'), 0, 'published behind Sentinel, with accounts at both') or diag $out;
my ($master, $replica) = $sentinel->nodes;
is(ask($master, 'XLEN', "privacy:$site:policies"), 1, '... to the master');
is(ctl('versions', @public), 0, '... and read again') or diag $out;
is(($t->ctl('versions', @public, '--redis', "$plain?db=1"))[0], 0, 'another database is another one') or diag $out;
unlike(($t->ctl('versions', @public, '--redis', "$plain?db=1"))[1], qr/2026-01-01/, '... where nothing is');

# The replica holds still: what is written is not on it, which is said when it was waited for

$replica->pause;
is(ctl('publish', version('2026-01-15'), @key, '--yes'), 0, 'a replica that says nothing: published') or diag $out;
like($out, qr/written, but whether a replica of Redis at \S+:$master->{port} has it is not known: 0 of 1 said so/,
    '... and what may become of it') or diag $out;
spew("$dir/notice.json", sprintf '{"kind":"announcement","texts":{"zh-CN":%1$s,"en":%1$s}}', '{"title":"T","summary":"S"}');
is(ctl('notice', 'send', "$dir/notice.json", @key, '--yes'), 0, '... a notice is sent') or diag $out;
like($out, qr/is not known: 0 of 1 said so/, '... which says the same') or diag $out;
is(ctl('backup', '--site', $site, '--output', "$dir/backup"), 0, '... a backup') or diag $out;
ask($master, 'DEL', "privacy:$site:notices");
is(ctl('restore', "$dir/backup", '--site', $site), 0, '... is restored') or diag $out;
like($out, qr/is not known: 0 of 1 said so/, '... which says it as well') or diag $out;
make_path("$dir/cache/$site");
my $number = 0;
spew(sprintf('%s/cache/%s/%010d.bundle', $dir, $site, ++$number),
    ask($master, 'GET', "privacy:$site:bundle:$_->{digest}")) for map { +{ @{$_->[1]} } }
    @{ask($master, 'XRANGE', "privacy:$site:policies", '-', '+')};
ask($master, 'DEL', "privacy:$site:policies");
is(ctl('publish', version('2026-01-16'), @key, '--yes', '--cache', "$dir/cache"), 0,
    '... the log is lost: refilled, and goes on') or diag $out;
is(ask($master, 'XLEN', "privacy:$site:policies"), 3, '... with all three');
is(scalar(() = $out =~ /is not known/g), 1, '... and the replica is waited for once') or diag $out;
$replica->resume;
ok(wait_for(sub { ask($replica, 'XLEN', "privacy:$site:policies") == 3 }, 20), '... it catches up');
is(ctl('publish', version('2026-01-17'), @key, '--yes'), 0, '... published') or diag $out;
unlike($out, qr/replica/, '... it has it');
is(ask($replica, 'XLEN', "privacy:$site:policies"), 4, '... at once');

# By order, then by death

wait_for(sub { ask($replica, 'DBSIZE') == ask($master, 'DBSIZE') }, 20);
is($sentinel->failover, $replica, 'the other one is the master now');
is(ctl('publish', version('2026-02-01'), @key, '--yes'), 0, '... which is found') or diag $out;
is(ask($replica, 'XLEN', "privacy:$site:policies"), 5, '... and written to');
wait_for(sub { eval { ask($master, 'ROLE')->[0] eq 'slave' && ask($master, 'ROLE')->[3] eq 'connected'
    && ask($master, 'XLEN', "privacy:$site:policies") == 5 } }, 30) or die 'the old master does not follow';
$replica->kill;
is(ctl('publish', version('2026-03-01'), @key, '--yes'), 0, 'it died: the next one is waited for') or diag $out;
is(ask($master, 'ROLE')->[0], 'master', '... which is the first again');
is(ask($master, 'XLEN', "privacy:$site:policies"), 6, '... and has all of it');
($sentinel->sentinels)[0]->kill;
is(ctl('versions', @public), 0, 'a sentinel is away, too') or diag $out;

# Whom they do not know, and what one alone says

($status, $out) = $t->ctl('versions', @public, '--redis', $plain =~ s/privacy$/yours/r);
is($status, 3, 'a name that no sentinel knows');
like($out, qr/knows no master named yours/, '... which is said') or diag $out;
($status, $out) = $t->ctl('versions', @public, '--redis',
    "$plain?sentinel_user=guard&sentinel_password_file=$dir/password");
is($status, 3, 'an account that sentinels do not know');
like($out, qr/WRONGPASS/, '... which is said') or diag $out;
my $began = time;
($status, $out) = $t->ctl('versions', @public, '--redis', $sentinel->url('ctl:wrong'));
is($status, 3, 'a wrong password');
like($out, qr/WRONGPASS/, '... which is said') or diag $out;
cmp_ok(time - $began, '<', 10, '... at once');

$sentinel->again($replica);
wait_for(sub { eval { ask($replica, 'ROLE')->[0] eq 'slave' } }, 30) or die 'it does not come back as a replica';
my $liar = IO::Socket::INET->new(Listen => 5, LocalAddr => $t->address, LocalPort => 0) or die $!;
my $pid = fork // die $!;
if (!$pid) {
    while (my $c = $liar->accept) {
        while (my $line = <$c>) {
            print {$c} join "\r\n", '*2', map({ ('$' . length, $_) } $t->address, $replica->{port}), ''
                if $line =~ /^privacy\r/;
        }
    }
    POSIX::_exit(0);
}
my $lie = $t->address . ':' . $liar->sockport;
($status, $out) = $t->ctl('versions', @public, '--redis', $plain =~ s{//}{//$lie,}r);
is($status, 0, 'a sentinel that names another one than the rest is not heard') or diag $out;
my $waits = fork // die $!;
if (!$waits) {
    open STDERR, '>', "$dir/waits";
    exec $t->{ctl}, 'publish', version('2026-04-01'), @key, '--yes', '--redis', "sentinel://$lie/privacy"
        or POSIX::_exit(127);
}
ok(wait_for(sub { -s "$dir/waits" }, 30), 'a replica is no master, whatever a sentinel says: one is waited for');
like(slurp("$dir/waits"), qr/waiting for Redis.*is not the master: it is a replica/, '... which is said');
is(ask($_, 'XLEN', "privacy:$site:policies"), 6, '... and nothing written') for $master, $replica;
kill 'KILL', $waits;
waitpid $waits, 0;
kill 'KILL', $pid;
waitpid $pid, 0;

$sentinel->stop;
($status, $out) = $t->ctl('versions', @public, '--redis', $plain);
is($status, 3, 'nobody is there');
like($out, qr/cannot reach Redis at/, '... which is said') or diag $out;

is(($t->ctl('versions', @public, '--redis', $_))[0], 2, "$_ is no address") for
    'sentinel://a', 'sentinel://a/', 'sentinel://,a/mine', 'sentinel://a/mine?sentinel_user=x', 'sentinel://a/m/n',
    'sentinel://a/mine?tls=off', 'sentinel://a/mine?name=x', 'sentinel://a/mine?sentinel_password=x';

$t->finish;
