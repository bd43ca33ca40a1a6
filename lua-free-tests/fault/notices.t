#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Notices are sent while Redis, workers, the publisher and what wakes the nodes are taken away, nodes are reloaded, and a
# clock is set back. Users on two nodes, with streams and with pages only, note what they are shown. A model counts: in
# the end each user was shown each notice that addresses them, and no other; each notice was sent once; and what users
# were told is recorded.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use JSON::PP ();
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);
use Fault;
use Fault::Readers;

my ($streams, $pages) = (10, 6);
my $page = '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>';

my $f = Fault->new('notices', workers => 4);
my ($t, $redis) = ($f->t, $f->t->redis);
my $other = Test::Privacy->new('fault-notices-other', workers => 4);
$redis->start;
$t->upstream(sub {
    my ($user) = (Test::Privacy::Upstream::header($_[0], 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { body => $page, headers => ['Content-Type' => 'text/html', $user ? ('X-Privacy-User' => $user) : ()] };
});
$t->publish($t->bundle);

my $config = site_conf(<<'CONF');
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
system('cp', '-a', $t->keys_dir, $other->dir . '/keys') == 0 or die 'no keys for the second node';
$t->config($config);
$other->config($config, REDIS => $redis->url, UPSTREAM => 'http://unix:' . $t->dir . '/upstream.sock:');

my $clock = $t->dir . '/clock';
spew($clock, pack 'q', 0);
chmod 0644, $clock;
sub shift_clock { open my $out, '+<:raw', $clock or die $!; syswrite $out, pack 'q', $_[0]; close $out }
$t->start;
$f->preload('clock', 'FAULT_CLOCK', $clock, sub { $other->start });

# Readers

my $journal = $t->dir . '/readers';
my $pid = fork // die "fork: $!";
if (!$pid) {
    my $readers = Fault::Readers->new(peers => [$t->listen, $other->listen], journal => $journal, streams => $streams,
        pages => $pages);
    eval { $readers->read; 1 } or print STDERR "# readers: $@";
    POSIX::_exit($@ ? 1 : 0);
}
$t->ends_with($pid);
my @everybody = map { "u$_" } 0 .. $streams + $pages - 1;

my (%shown, %answered, @again, $opened, $seen);
sub follow {
    open my $in, '<:raw', $journal or return;
    seek $in, $seen // 0, 0;
    while (defined(my $line = <$in>)) {
        last if $line !~ /\n\z/;
        $seen += length $line;
        my ($what, $user, $id, $answer) = @{json($line)};
        $shown{$id}{$user} = 1 if $what eq 'shown';
        $answered{$id}{$user} = $answer if $what eq 'answered';
        push @again, "$user $id" if $what eq 'again';
        $opened++ if $what eq 'opened';
    }
}

# The model: of each notice, who is addressed

my (%model, %title);

sub written {
    my ($title) = @_;
    my $path = $t->dir . "/$title.json";
    spew($path, JSON::PP->new->utf8->encode({ kind => 'announcement', texts => { map { $_ => { title => $title,
        summary => 's' } } 'zh-CN', 'en' } }));
    return $path;
}
sub command { my (@more) = @_; return ('notice', 'send', $t->ctl_site, '--key', $t->keys_dir . "/$t->{site}.key", @more) }

# To everybody, or to every third one; run again until it says that it was sent.
sub notice {
    my (%options) = @_;

    my $title = 'N' . ++$f->{sent};
    my @to = $options{list} ? grep { substr($_, 1) % 3 == $f->{sent} % 3 } @everybody : @everybody;
    my @list = ();
    if ($options{list}) {
        spew($t->dir . "/$title.users", join '', map { "$_\n" } @to, map { "absent$_" } 1 .. $options{absent} || 0);
        @list = ('--users', $t->dir . "/$title.users", '--keys', $t->keys_dir . '/keys');
    }
    my @command = command(@list, '--json', written($title));
    $options{first}->(@command) if $options{first};
    my ($status, $out);
    wait_for(sub { ($status, $out) = $t->ctl(@command); $status == 0 }, 20) or die "not sent: $out";
    my $id = json($out)->{id};
    $model{$id} = { map { $_ => 1 } @to };
    $title{$id} = $title;
    return $id;
}

# A version, which is for everybody, for all are met by now.
sub change {
    my $n = ++$f->{version};
    $t->publish($t->bundle(version => "2.$n", changes => [{ kind => 'contact', summary => "x$n" }]), '--urgent', 'x');
    my $id = 'v' . ($n + 1);
    $model{$id} = { map { $_ => 1 } @everybody };
    return $id;
}

# Until everybody was shown all that addresses them.
sub missing {
    follow();
    return map { my $id = $_; map { "$_ $id" } grep { !$shown{$id}{$_} } sort keys %{$model{$id}} } sort keys %model;
}
sub reached {
    my ($what, $seconds) = @_;
    my @missing;
    ok(wait_for(sub { @missing = missing(); !@missing }, $seconds || 60), "$what: everybody is shown what addresses them")
        or diag(join ', ', splice @missing, 0, 20);
}

ok(wait_for(sub { follow(); ($opened // 0) >= $streams }, 30), 'all streams are open');
is($t->get('/privacy/events')->status, 204, 'who is not logged in has none');
notice();
notice(list => 1);
reached('nothing is broken', 20);
sleep 1.1;
change();
reached('a change', 20);

# What takes the way of a notice away

for my $i (1 .. times(20, 2)) {
    notice(list => $i % 2, first => sub {
        my $sender = fork // die "fork: $!";
        if (!$sender) {
            open STDOUT, '>', '/dev/null';
            open STDERR, '>', '/dev/null';
            exec { $t->{ctl} } $t->{ctl}, @_ or POSIX::_exit(127);
        }
        sleep rand 0.05;
        $redis->kill;
        waitpid $sender, 0;
        sleep rand 0.3;
        $redis->start;
    });
}
reached('kill -9 of Redis while they are sent');

for my $i (1 .. times(20, 2)) {
    $_->kill_worker for $t, $other;
    notice(list => $i % 2);
    $_->kill_worker for $t, $other;
}
reached('kill -9 of workers');

for my $i (1 .. times(40, 4)) {
    notice(list => 1, absent => 3000, first => sub {
        my $sender = fork // die "fork: $!";
        if (!$sender) {
            open STDOUT, '>', '/dev/null';
            exec { $t->{ctl} } $t->{ctl}, @_ or POSIX::_exit(127);
        }
        sleep 0.005 + rand 0.1;
        kill 'KILL', $sender;
        waitpid $sender, 0;
    });
}
reached('kill -9 of the publisher');

for my $i (1 .. times(20, 2)) {
    $redis->command('ACL', 'SETUSER', 'default', '-publish');
    notice(list => $i % 2);
    change() if $i == 1;
    # nobody was woken, and those who listen lose their connections
    $redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    $redis->command('ACL', 'SETUSER', 'default', '+publish');
}
reached('wake-ups that are lost');

for my $i (1 .. times(10, 1)) {
    my @old = ($t->workers, $other->workers);
    notice();
    $_->reload for $t, $other;
    notice(list => 1);
    ok(wait_for(sub { !grep { -d "/proc/$_" && slurp("/proc/$_/stat") !~ /\) Z / } @old }, 20), 'old workers leave');
}
reached('reloads');

shift_clock(-3600);
notice();
notice(list => 1);
change();
reached('a clock set back by an hour');
shift_clock(0);
notice();
reached('and right again');

# Redis ends and begins again: no descriptor is kept

sub descriptors {
    my $least;
    for my $pid (map { $_->workers } $t, $other) {
        my $n = grep { (readlink $_ // '') =~ /^socket:/ } glob "/proc/$pid/fd/*";
        $least = $n if !defined $least || $n > $least;
    }
    return $least;
}
sub listening { wait_for(sub { (grep { / sub=[1-9]/ } split /\n/, $redis->command('CLIENT', 'LIST')) >= 4 }, 30) }

listening();
my $before = descriptors();
my $bounces = times(50, 5);
for my $i (1 .. $bounces) {
    $redis->kill;
    sleep rand 0.2;
    $redis->start;
    $i % 5 == 0 ? listening() && notice() : sleep rand 0.4;
}
ok(listening(), "after $bounces bounces all workers listen again");
reached('bounces of Redis');
my $after;
ok(wait_for(sub { ($after = descriptors()) <= $before + $streams / 2 + 2 }, 20), 'no descriptor was kept')
    or diag("$before before, $after after");

# What was told is there, and nobody was shown what is another's

my $expected = keys %model;
ok(wait_for(sub { follow(); !grep { my $id = $_; grep { !$answered{$id}{$_} } keys %{$model{$id}} } keys %model }, 60),
    'and everybody has answered everything') or diag(join ', ', map { my $id = $_; map { "$_ $id" } grep {
    !$answered{$id}{$_} } keys %{$model{$id}} } sort keys %model);
kill 'TERM', $pid;
waitpid $pid, 0;
is($?, 0, 'the readers ended');
follow();

my @strange = map { my $id = $_; map { "$_ $id" } grep { !$model{$id}{$_} } keys %{$shown{$id}} } keys %shown;
is_deeply(\@strange, [], 'nobody was shown what does not address them');
is_deeply(\@again, [], 'no stream said a notice twice');

my ($status, $list) = $t->ctl('notice', 'list', $t->ctl_site, '--public', $t->keys_dir . '/example.pub', '--json');
is($status, 0, 'every notice holds, and none is missing');
is_deeply([sort map { $_->{id} } @{json($list)}], [sort keys %model], '... each was sent once');
is_deeply({ map { $_->{id} => $_->{title} } grep { $_->{id} =~ /^n/ } @{json($list)} }, \%title, '... as it was meant');

my @lost;
for my $id (sort keys %model) {
    my ($exit, $rows) = $t->ctl('notice', 'export', $t->ctl_site, '--public', $t->keys_dir . '/example.pub', '--format',
        'jsonl', $id);
    my $answers = grep { /"answer":"/ } split /\n/, $rows;
    my $told = keys %{$answered{$id}};
    push @lost, "$id: $told told, $answers recorded" if $answers < $told;
}
is_deeply(\@lost, [], 'every answer that was acknowledged is recorded');
diag(sprintf '%d notices, %d users, %d streams opened', $expected, scalar @everybody, $opened);

$other->stop;
is_deeply([$other->problems], [], 'nothing alarming in the log of the second node');
$other->{finished} = $other->{clean} = 1;
$f->finish;
