#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis Cluster: each subject's choices go to the shard that has its slot, follow it when it moves, and wait or are
# refused only where their own shard is away. What was acknowledged is there afterwards, once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch qw(took);
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('cluster', workers => 2);
my $second = Test::Privacy->new('cluster-b');
my $cluster = Test::Privacy::Cluster->new($t->dir . '/cluster', masters => 3, replicas => 1, address => $t->address);
my $config = site_conf(<<'CONF');
    privacy_lease 60s grace=60s;
    add_header X-Version "$privacy_version" always;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "$privacy_subject" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF
$_->allow(qr/connect\(\) failed \(111/) for $t, $second;

# Published to a single server and moved: that privacyctl speaks to clusters is t/ctl_cluster.t's
sub publish {
    $t->redis->start if !$t->redis->pid;
    my $out = $t->publish($t->bundle(@_));
    for my $key (@{$t->redis->command('KEYS', '*')}) {
        $cluster->node_of($key)->command('RESTORE', $key, 0, $t->redis->command('DUMP', $key), 'REPLACE');
    }
    my ($sequence) = map { $_->[0] =~ /(\d+)/ } $t->redis->command('XREVRANGE', 'privacy:example:policies', '+', '-',
        'COUNT', 1)->[0];
    ($cluster->masters)[-1]->command('PUBLISH', 'privacy:example:events', "published $sequence");
}

sub status { my ($node) = @_; return json(($node // $t)->get('/status')->body)->{redis} }

# What each worker of a node says, once all have been asked
sub workers {
    my ($node) = @_;

    my %said;
    wait_for(sub {
        my $all = json($node->get('/status')->body);
        $said{$all->{node}{worker}} = $all->{redis};
        return keys %said == $node->{workers};
    }, 20) or die 'one worker answers all';
    return values %said;
}

# Requests that were sent again elsewhere
sub redirected { my $sum = 0; $sum += $_->{redirected} for workers($t); return $sum }

my ($network, %recorded, %refused) = (0);
sub visitor {
    my ($node) = @_;

    my $v = ($node // $t)->visitor(headers => ['X-Real-IP' => join '.', 10, 8, ++$network, 1]);
    $v->get('/');
    return $v;
}
sub key { my ($subject) = @_; return "privacy:{example:$subject}:ledger" }
sub choose {
    my ($v, $what) = @_;

    $network++;
    $v->{headers} = ['X-Real-IP' => join '.', 10, 9 + int($network / 250), $network % 250, 1];
    $v->get('/privacy/choices');
    my $r = $v->choose($what);
    return $r->status if $r->status != 303;
    # the same once more is no new choice
    my $granted = $what eq 'accept_all' ? 1 : 0;
    $recorded{subject($v)}++ if ($v->{granted} // -1) != $granted;
    $v->{granted} = $granted;
    return 303;
}
sub subject { my ($v) = @_; return $v->get('/')->header('X-Subject') }

publish();
$t->config($config, REDIS => $cluster->url);
$t->start;
system('cp', '-a', $t->keys_dir, $second->dir . '/keys') == 0 or die 'no keys for the second node';
$second->config($config, REDIS => 'cluster://' . join ',', map { "$_->{address}:$_->{port}" } ($cluster->masters)[0]);
$second->start;
ok(wait_for(sub { $_->get('/')->header('X-Version') }, 20), 'the policy is in force') for $t, $second;

# Twelve visitors, on all shards, or nearly

my @visitors = map { visitor() } 1 .. 12;

subtest 'slots' => sub {
    is_deeply([map { choose($_, 'accept_all') } @visitors], [(303) x 12], 'twelve choices are recorded');
    my %shards = map { $cluster->node_of(key($_))->{port} => 1 } keys %recorded;
    cmp_ok(keys %shards, '>', 1, 'on several shards');
    for my $node ($t, $second) {
        ok(wait_for(sub { $node->{workers} == grep { $_->{connected} && 3 == grep { $_->{slots} } @{$_->{endpoints}} }
            workers($node) }, 20), 'each worker knows three masters') or diag(explain([workers($node)]));
    }
    is(status()->{topology}, 'cluster', 'and what it speaks to');
    my $before = redirected();
    is_deeply([map { choose($_, 'reject_all') } @visitors], [(303) x 12], 'twelve more');
    is(redirected(), $before, 'each went to its shard at once');
};

subtest 'revoked everywhere' => sub {
    ok($t->listening, 'each worker listens');
    my $v = visitor($second);
    is(choose($v, 'accept_all'), 303, 'a grant on one node');
    my $cookie = $v->consent;
    is($t->get('/', Cookie => "privacy=$cookie")->header('X-Consent'), '<analytics,marketing>', 'the other trusts it');
    is(choose($v, 'withdraw'), 303, 'a withdrawal');
    my $begin = time;
    ok(wait_for(sub { 2 == grep { $t->get('/', Cookie => "privacy=$cookie")->header('X-Consent') eq '<>' } 1 .. 2 }, 2),
        'is in effect on the other within two seconds');
    note(sprintf 'after %.3f s', time - $begin);
};

sub slot    { return $cluster->slot(key(subject($_[0]))) }

subtest 'a slot on its way' => sub {
    my $before = redirected();
    my ($v, $w) = @visitors[0, 1];
    for my $one ($v, $w) {
        my $slot = slot($one);
        my $from = $cluster->node_of($slot);
        my ($to) = grep { $_ != $from } $cluster->masters;
        $cluster->move($slot, $to, sub {
            # its key is still where it was; a new one is asked for at the other end
            is(choose($one, 'accept_all'), 303, 'a choice while its slot is being moved');
        });
        is(choose($one, 'withdraw'), 303, 'and after it was');
        is($to->command('HLEN', key(subject($one))), $recorded{subject($one)}, 'all of it is there');
    }
    cmp_ok(redirected(), '>', $before, 'redirections were followed');
    ok(wait_for(sub { $t->get('/status?format=prometheus')->body =~ /^privacy_redis_redirected_total\{[^}]*\} [1-9]/m },
        20), 'and the metric says so');
    ok(wait_for(sub { status()->{changed} && status()->{connected} }, 20), 'the table is read again');
};

# A visitor without a ledger, whose slot is being moved: ASK, and all of the transaction behind ASKING

subtest 'asked elsewhere' => sub {
    my $v = visitor();
    is(choose($v, 'accept_all'), 303, 'a choice');
    my $subject = subject($v);
    my $slot = $cluster->slot(key($subject));
    my $from = $cluster->node_of($slot);
    my ($to) = grep { $_ != $from } $cluster->masters;
    $cluster->move($slot, $to, sub {
        # the keys are there already, the slot is not
        my @keys = @{$from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 100)};
        $from->command('MIGRATE', $to->{address}, $to->{port}, '', 0, 5000, 'KEYS', @keys);
        is(choose($v, 'withdraw'), 303, 'behind ASKING');
        is($from->command('CLUSTER', 'COUNTKEYSINSLOT', $slot), 0, 'nothing of it stays');
    });
    is($to->command('HLEN', key($subject)), 2, 'both are there');
};

subtest 'resharding while writing' => sub {
    my @slots = map { slot($_) } @visitors;
    my $pid = fork // die $!;
    if (!$pid) {
        delete $_->{connection} for $cluster->nodes;
        my @masters = $cluster->masters;
        for my $round (1 .. 2) {
            # not all to one: there have to be others when it is away
            for my $i (0 .. $#slots) {
                my ($to) = grep { $_ != $cluster->node_of($slots[$i]) } @masters[map { ($round + $i + $_) % 3 } 0, 1];
                $cluster->move($slots[$i], $to);
            }
        }
        POSIX::_exit(0);
    }
    my %answers;
    until (waitpid $pid, POSIX::WNOHANG()) {
        $answers{choose($_, $_->{granted} ? 'withdraw' : 'accept_all')}++ for @visitors;
    }
    is($?, 0, '24 slots were moved');
    is_deeply([keys %answers], [303], 'every choice was saved') or diag(explain(\%answers));
    note("$answers{303} choices");
};

subtest 'a shard is away' => sub {
    $cluster->ready;
    my %by = map { my $v = $_; my $node = $cluster->node_of(key(subject($v))); ($node->{port} => [$node, $v]) } @visitors;
    # the one with most forms: a record names a form, which lies on a shard of its own
    my %forms = map { $_ => scalar @{$by{$_}[0]->command('KEYS', 'privacy:example:form:*')} } keys %by;
    my ($dead, $victim) = @{(map { $by{$_} } sort { $forms{$b} <=> $forms{$a} || $a <=> $b } keys %by)[0]};
    my @others = map { $_->[1] } grep { $_->[0] != $dead } values %by;
    my ($replica) = grep { my $r = $_->command('ROLE'); $r->[0] eq 'slave' && $r->[2] == $dead->{port} } $cluster->running;
    $replica->command('CONFIG', 'SET', 'cluster-replica-no-failover', 'yes');
    $dead->kill;
    my $subject = subject($victim);
    $refused{$subject}++;
    is(choose($victim, 'accept_all'), 503, 'a choice of its subjects is refused');
    is_deeply([map { choose($_, 'accept_all') } @others], [(303) x @others], 'those of the others are saved');
    # each worker has one of its own, which opens when choices that it was asked for fail
    ok(wait_for(sub {
        choose($victim, 'accept_all');
        return 2 == grep { grep { $_->{breaker} ne 'closed' && $_->{slots} } @{$_->{endpoints}} } workers($t);
    }, 20), 'its breaker opens');
    cmp_ok(took(sub { is(choose($victim, 'accept_all'), 503, 'then it is refused') }), '<', 1.5, 'at once');
    is(choose($others[0], 'reject_all'), 303, 'and the others are still saved');
    $_->command('CONFIG', 'SET', 'cluster-require-full-coverage', 'yes') for $cluster->running;
    # a server that took the dead one for failing before works out its state when it is told of slots
    ok(wait_for(sub {
        my @masters = $cluster->masters;
        $_->command('CLUSTER', 'SETSLOT', 0, 'STABLE') for @masters;
        return !grep { $_->command('CLUSTER', 'INFO') !~ /state:fail/ } @masters;
    }, 20), 'by default all shards refuse');
    is(choose($others[0], 'accept_all'), 503, 'so that nobody can choose');
    $_->command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no') for $cluster->running;
    ok(wait_for(sub { choose($others[0], 'accept_all') == 303 }, 20), 'set as the docs say, they can');
    $t->reload;
    my $other = subject($others[0]);
    ok(wait_for(sub { choose($others[0], 'accept_all') == 303 || !++$refused{$other} }, 20), 'by new workers, too');
    $replica->command('CONFIG', 'SET', 'cluster-replica-no-failover', 'no');
    ok(wait_for(sub { $replica->command('ROLE')->[0] eq 'master' }, 30), 'a replica takes over');
    ok(wait_for(sub { choose($victim, 'withdraw') == 303 }, 20), 'its subjects are served');
    $cluster->again($dead);
    $cluster->ready;
};

# Nginx was told of one master, and is cut off while it and all other masters hand over to their replicas

subtest 'all masters are other ones' => sub {
    my @old = $cluster->masters;
    $cluster->failover($_) for @old;
    $cluster->ready;
    my %old = map { $_ => 1 } @old;
    is(scalar(grep { !$old{$_} } $cluster->masters), 3, 'three others are masters');
    $refused{subject($visitors[3])}++;
    $_->kill for @old;
    ok(wait_for(sub { choose($visitors[3], $visitors[3]{granted} ? 'withdraw' : 'accept_all') == 303 }, 20),
        'who was a replica is asked, and choices are saved');
    $cluster->again($_) for @old;
    $cluster->ready;
};

subtest 'all of it ends and begins again' => sub {
    $_->stop for $cluster->nodes;
    $refused{subject($visitors[2])}++;
    is(choose($visitors[2], 'accept_all'), 503, 'a choice is refused');
    $cluster->again($_) for $cluster->nodes;
    $cluster->ready;
    ok(wait_for(sub { choose($visitors[2], 'accept_all') == 303 }, 20), 'then it is saved');
};

publish(version => 'v2', changes => [{ kind => 'editorial', purposes => [],
    summary => { 'zh-CN' => '修订', en => 'Revised.' } }]);
ok(wait_for(sub { $t->get('/')->header('X-Version') eq 'v2' && $second->get('/')->header('X-Version') eq 'v2' }, 20),
    'what is published is heard of by each node');

# A refused one may have been carried out, where the answer did not come back; nothing else may be more than was said
my %found = map { $_ => $cluster->node_of(key($_))->command('HLEN', key($_)) } keys %recorded;
is_deeply({ map { $_ => $found{$_} } grep { !$refused{$_} } keys %found }, { map { $_ => $recorded{$_} }
    grep { !$refused{$_} } keys %recorded }, 'all that was acknowledged is there, once');
cmp_ok($found{$_}, '>=', $recorded{$_}, 'and where a choice was refused') for keys %refused;
$t->stop;
$second->stop;
$second->{finished} = $second->{clean} = 1;
$cluster->stop;
$t->finish;
