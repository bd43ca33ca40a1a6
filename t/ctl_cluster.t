#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl and a cluster of three shards: every command finds the server that has the key, follows slots that move and
# masters that change, and a backup misses nothing while slots move.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('ctl_cluster');
my ($site, $keys, $dir) = ($t->site, $t->keys_dir, $t->dir);
my @public = ('--site', $site, '--public', "$keys/$site.pub");
my @key = ('--site', $site, '--key', "$keys/$site.key");
my @keys = ('--site', $site, '--keys', "$keys/keys");
my $cluster = Test::Privacy::Cluster->new("$dir/cluster", masters => 3, replicas => 1, address => $t->address,
    lines => ['appendonly no']);
my $url = $cluster->url;
my ($status, $out);

# privacyctl with all arguments but where Redis is.
sub ctl { ($status, $out) = $t->ctl(@_, '--redis', $url); return $status }
sub ok_ctl { my ($what, @arguments) = @_; is(ctl(@arguments), 0, $what) or diag $out; return $out }
# In the background; its end is awaited by calling what this returns.
sub begin_ctl {
    my $to = "$dir/out." . ++$t->{begun};
    my $pid = fork // die $!;
    if (!$pid) {
        open STDOUT, '>', $to;
        open STDERR, '>&', \*STDOUT;
        exec $t->{ctl}, @_ or POSIX::_exit(127);
    }
    return sub { waitpid $pid, 0; ($status, $out) = ($? >> 8, slurp($to)); return $status };
}

# Nobody has a slot: who needs it is told in the end, and goes on with everything else meanwhile

my $lost = 'AAECAwQFBgcICQoLDA0ODw';
my $gap = Test::Privacy::Servers::node("$dir/gap", $t->address, Test::Privacy::Servers::ports($t->address, 1),
    'cluster-enabled yes', 'cluster-port ' . (Test::Privacy::Servers::ports($t->address, 1))[0],
    'cluster-require-full-coverage no', 'appendonly no');
my $gone = $gap->command('CLUSTER', 'KEYSLOT', "privacy:{$site:$lost}:ledger");
$gap->command('CLUSTER', 'ADDSLOTSRANGE', 0, $gone - 1, $gone + 1, 16383);
my $other = 'cluster://' . $t->address . ":$gap->{port}";
wait_for(sub { $gap->command('CLUSTER', 'INFO') =~ /cluster_state:ok/ }, 20);
my $none = begin_ctl('ledger', @keys, '--redis', $other, '--', $lost);
($status, $out) = $t->ctl('publish', $t->bundle, @key, '--yes', '--redis', $other);
is($status, 0, 'a slot that nobody has: the others are in use') or diag $out;

# Publishing, by way of any server

my ($any) = map { 'cluster://' . $t->address . ":$_->{port}" } grep { $_->command('ROLE')->[0] eq 'slave' }
    $cluster->nodes;
($status, $out) = $t->ctl('publish', $t->bundle, @key, '--yes', '--redis', $any);
is($status, 0, 'published by way of a replica alone') or diag $out;
ok_ctl('... again, which is harmless', 'publish', $t->bundle, @key, '--yes');
like(ok_ctl('... and read again', 'versions', @public), qr/2026-01-01.*\byes$/m, '... which verifies');
ok_ctl('a version for later', 'publish', $t->bundle(version => '2026-02-01', effective => '2099-02-01T00:00:00Z',
    changes => editorial()), @key, '--yes');
ok_ctl('... withdrawn', 'withdraw', '2026-02-01', @key, '--reason', 'No.', '--yes');
ok_ctl('... compared', 'diff', 'current', $t->bundle, @public);
ok_ctl('... checked against what is published', 'check', $t->bundle(version => '2026-03-01',
    effective => '2099-02-01T00:00:00Z', changes => editorial()), @public);

# Visitors and a user of a site that lives in the cluster

$t->upstream(sub {
    my ($session) = (Test::Privacy::Upstream::header($_[0], 'Cookie') // '') =~ /\bsessionid=(\w*)/;
    return { headers => ['Content-Type' => 'text/html', $session ? ('X-Privacy-User' => $session) : ()],
        body => '<!doctype html><body>hi</body>' };
});
$t->config(site_conf(<<'CONF'), REDIS => $url);
    add_header X-Subject "<$privacy_subject>" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
$t->{published} = 1;
$t->start;

my %subjects;
for my $n (1 .. 24) {
    my $v = $t->visitor(headers => ['X-Real-IP' => "10.3.$n.1"]);
    $v->jar->{sessionid} = 'alice' if $n == 1;
    $v->get('/') for 1 .. 2;
    $v->choose('accept_all');
    my ($subject) = $v->get('/')->header('X-Subject') =~ /^<(.+)>$/ or next;
    $subjects{$subject} = 1;
    $v->get('/privacy/choices') if $n > 20;
    $v->choose('withdraw') if $n > 20;
}
is(scalar keys %subjects, 24, 'choices were recorded');
sub key { return "privacy:{$site:$_[0]}:ledger" }
my %shards;
push @{$shards{$cluster->node_of(key($_))->{port}}}, $_ for sort keys %subjects;
is(scalar keys %shards, 3, '... on all shards');
sub ledger { ($status, $out) = $t->ctl('ledger', @keys, '--redis', $url, '--', $_[0]); return $out }
my %before;
for (map { $_->[0] } values %shards) {
    $before{$_} = ledger($_);
    is($status, 0, "$_: printed and proved") or diag $out;
}

# Notices

($status, $out) = $t->ctl('subject', '--user', 'alice', @keys);
chomp(my $alice = $out);
ok($subjects{$alice}, 'the user is among them');
spew("$dir/users", "alice\nbob\n");
my $text = '{"title":"T","summary":"S"}';
spew("$dir/notice.json", qq({"kind":"announcement","texts":{"zh-CN":$text,"en":$text}}));
like(ok_ctl('a notice is sent', 'notice', 'send', "$dir/notice.json", '--users', "$dir/users", '--keys', "$keys/keys",
    @key, '--yes', '--json'), qr/"n1"/, '... and has a number') or diag $out;
like(ok_ctl('listed', 'notice', 'list', @public), qr/\bn1\b/, '... as it was sent');
my $told = json(ok_ctl('followed', 'notice', 'status', 'n1', @public, '--json'));
is($told->{addressed}, 2, '... whom it is for') or diag $out;
like(ok_ctl('... whom it did not reach', 'notice', 'unreached', 'n1', @public), qr/^[\w-]{22}$/m, '... are named');
ok_ctl('... taken back', 'notice', 'retract', 'n1', @key, '--reason', 'No.');
$t->stop;

# Backup and proof

my $file = "$dir/whole";
ok_ctl('a backup', 'backup', '--site', $site, '--output', $file);
($status, $out) = $t->ctl('verify-backup', @public, '--keys', "$keys/keys", $file);
is($status, 0, '... holds') or diag $out;
like($out, qr/24 subjects with 28 records: every chain holds/, '... with all of it') or diag $out;

# A slot that is on its way: ASK; then it is there: MOVED

my $subject = $shards{($cluster->masters)[0]{port}}[0];
my $slot = $cluster->slot(key($subject));
my ($to) = grep { $_ != $cluster->node_of(key($subject)) } $cluster->masters;
my $waits;
$cluster->move($slot, $to, sub {
    my $from = $cluster->node_of(key($subject));
    is(ledger($subject), $before{$subject}, 'a slot is on its way, its key is not');
    $from->command('MIGRATE', $to->{address}, $to->{port}, key($subject), 0, 5000);
    is(ledger($subject), $before{$subject}, 'its key has gone ahead: ASK is followed');
    $waits = begin_ctl('backup', '--site', $site, '--redis', $url, '--output', "$file.2");
    sleep 1;
    unlike(slurp("$file.2"), qr/:ledger|"kind":"ledger"/, 'a backup waits until it has arrived');
});
is(ledger($subject), $before{$subject}, 'the slot has moved: MOVED is followed');
is($waits->(), 0, 'then the backup goes on') or diag $out;
($status, $out) = $t->ctl('verify-backup', @public, '--keys', "$keys/keys", "$file.2");
like($out, qr/24 subjects with 28 records/, '... and has all') or diag $out;

# A backup that is being written while slots go from what is still to be read to what was read

fill(3000);
open my $backup, '-|', "exec $t->{ctl} backup --site $site --redis $url 2> $dir/said" or die $!;
my (%seen, %read);
while (keys %read < 2) {
    my $line = <$backup> // last;
    my ($id) = $line =~ /"([\w-]{22})"/ or next;
    $seen{$id}++;
    $read{owner($id)} = 1;
}
my ($unread) = grep { !$read{$_->{port}} } $cluster->masters;
my ($first) = grep { $read{$_->{port}} } $cluster->masters;
ok($unread && $first, 'two of three servers are being read');
my @moved = grep { $cluster->node_of(key($_)) == $unread } (map { sprintf 'filling%014dA', $_ } 1 .. 40);
$cluster->move($cluster->slot(key($_)), $first) for @moved;
cmp_ok(scalar @moved, '>', 5, '... and keys of the third go to the first');
while (my $line = <$backup>) {
    $seen{$1}++ if $line =~ /"([\w-]{22})"/;
}
close $backup;
is($?, 0, 'it ends well');
is(scalar(grep { !$seen{$_} } keys %subjects, map { sprintf 'filling%014dA', $_ } 1 .. 3000), 0, 'it has every ledger');

# A master dies: what is under way waits for the next one

my $victim = $cluster->node_of(key($subject));
$victim->kill;
my $late = begin_ctl('publish', $t->bundle(version => '2026-04-01', changes => editorial()), @key, '--yes',
    '--redis', $url);
like(ledger($subject), qr/\Q$before{$subject}\E\z/, 'a master died: its replica answers, in time');
ok(wait_for(sub { $cluster->node_of(key($subject)) != $victim }), '... which is the master now');
is($late->(), 0, '... published meanwhile') or diag $out;
$cluster->again($victim);
$cluster->ready;
my $now = $cluster->node_of(key($subject));
$cluster->failover($now);
is(ledger($subject), $before{$subject}, 'masters change by order, which is followed');

# Servers that never come to an end: five times, then it is said

my $rounds = liar(sub {
    my ($address, $port) = ($t->address, @_);
    return (SLOTS => join("\r\n", '*1', '*3', ':0', ':16383', '*2', '$' . length($address), $address, ":$port", ''),
        ELSE => "-MOVED 1 $address:$port\r\n");
});
my $round = 'cluster://' . $t->address . ":$rounds->{port}";
($status, $out) = $t->ctl('ledger', @keys, '--redis', $round, '--', $subject);
is($status, 3, 'sent round in circles');
like($out, qr/MOVED/, '... which is said') or diag $out;
is($rounds->{asked}->('HMGET') + $rounds->{asked}->('HLEN'), 6, '... after five times');
my $garbage = liar(sub { return (SLOTS => "*1\r\n*3\r\n:0\r\n:70000\r\n*2\r\n\$1\r\nx\r\n:1\r\n", ELSE => "+OK\r\n") });
($status, $out) = $t->ctl('versions', @public, '--redis', 'cluster://' . $t->address . ":$garbage->{port}");
is($status, 3, 'slots that there cannot be');
like($out, qr/cannot be read/, '... are refused') or diag $out;
$_->{end}->() for $rounds, $garbage;

# An account, and its limits

$_->command('ACL', 'SETUSER', 'ctl', 'on', '>sesame', '~*', '+@all') for $cluster->nodes;
is(($t->ctl('versions', @public, '--redis', $cluster->url('ctl:sesame')))[0], 0, 'with user and password');
spew("$dir/password", "sesame\n");
($status, $out) = $t->ctl('versions', @public, '--redis', $cluster->url('ctl') . "?password_file=$dir/password");
is($status, 0, '... from a file') or diag $out;
my $began = time;
($status, $out) = $t->ctl('versions', @public, '--redis', $cluster->url('ctl:wrong'));
is($status, 3, 'a wrong one');
like($out, qr/cannot sign in: WRONGPASS/, '... is said');
cmp_ok(time - $began, '<', 10, '... at once');
# The accounts of docs/operations.md, with what they need more in a cluster

my ($section) = slurp($t->root . '/docs/operations.md') =~ /^## Accounts\n(.*?)(?=^## |\z)/ms;
my ($more) = $section =~ /^\*\*In a cluster\*\*(.*?)\n\n/ms or die 'nothing about clusters';
my %more = (backup => ['+cluster|nodes']);
is_deeply([$more =~ /`(\+[\w|]+)`/g], [qw(+cluster|slots +asking +cluster|nodes)], 'what the docs add');
for my $name (qw(publish backup read restore)) {
    my ($rules) = $section =~ /ACL SETUSER privacy-$name (.*?)^```/ms or die "no $name";
    my @rules = map { s/^'(.*)'$/$1/r =~ s/PASSWORD/secret/r } $rules =~ s/\\\n//gr =~ /('[^']*'|[^\s']+)/g;
    $_->command('ACL', 'SETUSER', "privacy-$name", @rules, '+cluster|slots', '+asking', @{$more{$name} || []})
        for $cluster->nodes;
}
sub as { ($status, $out) = $t->ctl(@_[1 .. $#_], '--redis', $cluster->url("privacy-$_[0]:secret")); return $status }
is(as('publish', 'publish', $t->bundle(version => '2026-05-01', changes => editorial()), @key, '--yes'), 0, 'publishing')
    or diag $out;
is(as('read', 'versions', @public), 0, '... reading') or diag $out;
is(as('backup', 'backup', '--site', $site, '--output', "$file.3"), 0, '... a backup') or diag $out;
is(as('restore', 'restore', '--site', $site, "$file.3"), 0, '... restored') or diag $out;
$_->command('ACL', 'SETUSER', 'privacy-backup', '-cluster|nodes') for $cluster->nodes;
$began = time;
is(as('backup', 'backup', '--site', $site, '--output', "$file.4"), 3, '... which needs to know whether slots move');
like($out, qr/cannot be told: Redis says NOPERM/, '... and says so') or diag $out;
cmp_ok(time - $began, '<', 10, '... at once');
my $alone = Test::Privacy::Servers::node("$dir/alone", $t->address, Test::Privacy::Servers::ports($t->address, 1));
($status, $out) = $t->ctl('versions', @public, '--redis', 'cluster://' . $t->address . ":$alone->{port}");
is($status, 3, 'a server that is in no cluster');
like($out, qr/cluster support disabled/, '... says so') or diag $out;
$alone->stop;
is($none->(), 3, 'who needs the slot that nobody has is told in the end');
like($out, qr/CLUSTERDOWN/, '... why') or diag $out;
like($out, qr/waiting for Redis, for 30 s at most/, '... and that it takes a while') or diag $out;
$gap->stop;
$cluster->stop;
($status, $out) = $t->ctl('versions', @public, '--redis', $url);
is($status, 3, 'nobody is there');
like($out, qr/cannot reach Redis at/, '... which is said');

# Addresses

is(($t->ctl('versions', @public, '--redis', $_))[0], 2, "$_ is no address") for
    'cluster://', 'cluster://a,', 'cluster://a/0', 'cluster://a?db=1', 'cluster://a?tls=yes', 'cluster://a?ca=/x',
    'cluster://u@a', 'redis://a,b', 'redis://a?tls=on', 'cluster://[::1', 'cluster://a:0', 'cluster://a:70000',
    'cluster://' . join(',', map { "h$_" } 1 .. 17);

$t->finish;


sub editorial { return [{ kind => 'editorial', summary => { 'zh-CN' => 'Words', en => 'Words' } }] }


# Ledgers that are none, and as good as any for counting: straight to their servers.
sub fill {
    my ($n) = @_;

    my %node = map { $_->{port} => $_ } $cluster->nodes;
    for my $i (1 .. $n) {
        my $id = sprintf 'filling%014dA', $i;
        $node{owner($id)}->command('HSET', key($id), 1, 'x' x 300);
    }
}


# The port of the master that has a subject's keys; asked once for all slots.
my @owners;
sub owner {
    my ($id) = @_;

    if (!@owners) {
        for my $range (@{($cluster->masters)[0]->command('CLUSTER', 'SLOTS')}) {
            @owners[$range->[0] .. $range->[1]] = ($range->[2][1]) x ($range->[1] - $range->[0] + 1);
        }
    }
    my $crc = 0;
    for my $byte (unpack 'C*', "$site:$id") {
        $crc ^= $byte << 8;
        $crc = ($crc & 0x8000 ? $crc << 1 ^ 0x1021 : $crc << 1) & 0xFFFF for 1 .. 8;
    }
    return $owners[$crc % 16384];
}


# A server that answers what it is told to: SLOTS to CLUSTER SLOTS, ELSE to anything else.
sub liar {
    my ($answers) = @_;

    my $listening = IO::Socket::INET->new(Listen => 5, LocalAddr => $t->address, LocalPort => 0) or die $!;
    my %answer = $answers->($listening->sockport);
    my $log = "$dir/liar." . $listening->sockport;
    spew($log, '');
    my $pid = fork // die $!;
    if (!$pid) {
        open my $asked, '>>', $log;
        $asked->autoflush;
        while (my $c = $listening->accept) {
            my @words;
            while (my $line = <$c>) {
                next if $line !~ /^[A-Za-z]+\r$/;
                $line =~ s/\r\n//;
                next if $line eq 'CLUSTER' || $line !~ /^[A-Z]{4,}$/;
                print {$asked} "$line\n";
                print {$c} $line eq 'SLOTS' ? $answer{SLOTS} : $answer{ELSE};
            }
        }
        POSIX::_exit(0);
    }
    return {
        port => $listening->sockport,
        asked => sub { return scalar grep { $_ eq $_[0] } split /\n/, slurp($log) },
        end => sub { kill 'KILL', $pid; waitpid $pid, 0 },
    };
}
