#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The master that sentinels name: found, followed when it is another one, left when it was put back or cut off from
# what the sentinels know. What was acknowledged is there afterwards, once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Sentinel;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('sentinel', workers => 2);
my $set = Test::Privacy::Sentinel->new($t->dir . '/set', replicas => 2, address => $t->address,
    down => 3000);
my $config = site_conf(<<'CONF');
    privacy_lease 2s grace=20s;
    add_header X-Version "$privacy_version" always;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "$privacy_subject" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF
$t->allow(qr/connect\(\) failed \(111/);

# privacyctl speaks to the master itself here: that it finds it is t/ctl_cluster.t's
my $plain = Test::Privacy::Redis->new($t->dir . '/plain');
sub publish {
    my (%changes) = @_;

    my $master = $set->master;
    $t->{redis} = bless { url => "redis://$master->{address}:$master->{port}" }, 'Address';
    $t->publish($t->bundle(%changes));
}
sub Address::url { return $_[0]{url} }

sub status { return json($t->get('/status')->body)->{redis} }

my ($network, %recorded) = (0);
sub visitor {
    my $v = $t->visitor(headers => ['X-Real-IP' => join '.', 10, 7, ++$network, 1]);
    $v->get('/');
    return $v;
}
sub choose {
    my ($v, $what) = @_;

    $v->get('/privacy/choices') if $v->{chose}++;
    my $r = $v->choose($what);
    return $r->status if $r->status != 303;
    my $subject = $v->get('/')->header('X-Subject');
    $recorded{$subject}++;
    return 303;
}
sub ledgers { return map { $_ => $set->master->command('HLEN', "privacy:{example:$_}:ledger") } keys %recorded }

# How many replicas each sentinel knows that are never to take over
sub heard_of {
    my ($n) = @_;

    wait_for(sub { !grep { $n != grep { my %of = @$_; $of{'slave-priority'} == 0 }
        @{$_->command('SENTINEL', 'REPLICAS', $set->name)} } $set->sentinels }, 20) or die 'sentinels do not hear of it';
}

publish();
# the first of the sentinels that it names is not there
my ($nobody) = Test::Privacy::Servers::ports($t->address, 1);
$t->config($config, REDIS => $set->url =~ s{//}{'//' . $t->address . ":$nobody,"}er);
$t->start;

subtest 'found' => sub {
    my $master = $set->master;
    my $address = "$master->{address}:$master->{port}";
    ok($t->each_worker(sub { $_[0]{redis}{endpoints}[0]{address} eq $address }), 'the status says where the master is');
    ok($t->each_worker(sub { $_[0]{sites}[0]{subscribed} && $_[0]{sites}[0]{sequence} }),
        '... who is read and listened to');
    is(status()->{topology}, 'sentinel', 'and what it is');
    is($t->get('/')->header('X-Version'), '2026-01-01', 'the policy is in force');
    is(choose(visitor(), 'accept_all'), 303, 'a choice is recorded');
};

subtest 'followed' => sub {
    my $v = visitor();
    is(choose($v, 'accept_all'), 303, 'a choice');
    $set->caught_up;
    my $old = $set->master;
    my $begin = time;
    my ($never) = grep { $_ != $old } $set->nodes;
    $never->command('CONFIG', 'SET', 'replica-priority', 0);
    $_->command('SENTINEL', 'DEBUG', 'info-period', 300) for $set->sentinels;
    heard_of(1);
    my $new = $set->failover;
    isnt($new, $old, 'another master by order');
    isnt($new, $never, 'not the one with priority 0');
    eval { $never->command('PING') };       # its connections were closed when it was given another master
    $never->command('CONFIG', 'SET', 'replica-priority', 100);
    heard_of(0);
    $_->command('SENTINEL', 'DEBUG', 'info-period', 10_000) for $set->sentinels;
    ok($t->each_worker(sub { $_[0]{redis}{endpoints}[0]{address} eq "$new->{address}:$new->{port}" }),
        'is followed by each worker');
    note(sprintf 'after %.3f s', time - $begin);
    is(choose($v, 'withdraw'), 303, 'a withdrawal there');
    is(choose(visitor(), 'accept_all'), 303, 'and a choice');
    $set->connected;
    publish(version => 'v2', changes => [{ kind => 'editorial', purposes => [],
        summary => { 'zh-CN' => '修订', en => 'Revised.' } }]);
    ok(wait_for(sub { $t->get('/')->header('X-Version') eq 'v2' }, 20), 'what is published there is heard of');
};

subtest 'it dies' => sub {
    $set->caught_up;
    my $old = $set->master;
    $old->kill;
    my $v = visitor();
    my $early = $v->choose('accept_all')->status;
    ok($early == 303 || $early == 503, "a choice meanwhile is saved or refused ($early)");
    my $new = $set->moved($old);
    ok(wait_for(sub { choose(visitor(), 'accept_all') == 303 }, 20), 'the next master takes choices');
    ok($t->each_worker(sub { $_[0]{redis}{endpoints}[0]{breaker} eq 'closed' }), 'the breaker is closed');
    $set->again($old);
    ok(wait_for(sub { $old->command('ROLE')->[0] eq 'slave' }, 60), 'the old one comes back, and is put back');
    $set->connected;
};

# What was acknowledged in between is there, once; what a failover at any moment loses is the fault runs' to count
my %found = ledgers();
is_deeply(\%found, \%recorded, 'all that was acknowledged is there, once');

# Nobody tells the workers: the connection stays, the server behind it is a replica from now on

subtest 'put back' => sub {
    my $master = $set->master;
    my ($other) = grep { $_ != $master } $set->nodes;
    # either worker may be the later one to hear of the master before
    ok(wait_for(sub { choose(visitor(), 'accept_all') == 303 }, 20), 'a choice before') for 1 .. 4;
    my $v = visitor();
    $set->caught_up;
    $_->pause for $set->sentinels;
    $master->command('REPLICAOF', $other->{address}, $other->{port});
    is($v->choose('accept_all')->status, 503, 'a master that was put back is asked for nothing more');
    ok(wait_for(sub { $t->log =~ /readonly: it is a replica/ }, 20), 'the log says why');
    $master->command('REPLICAOF', 'NO', 'ONE');
    $_->resume for $set->sentinels;
    ok(wait_for(sub { choose(visitor(), 'accept_all') == 303 }, 20), 'it is a master again');
    $set->connected;
};

subtest 'no sentinels' => sub {
    $set->caught_up;
    $_->pause for $set->sentinels;
    sleep 3;
    ok(status()->{connected}, 'all sentinels are away: the master is spoken to');
    is(choose(visitor(), 'accept_all'), 303, 'and choices are saved');
    $_->resume for $set->sentinels;
};

# A sentinel that names somebody who is no master is not believed

subtest 'a sentinel that is wrong' => sub {
    $t->stop;
    my $master = $set->master;
    my ($replica) = grep { $_ != $master } $set->nodes;
    my ($port) = Test::Privacy::Servers::ports($t->address, 1);
    my $liar = Test::Privacy::Redis->new($t->dir . '/liar');
    @$liar{qw(address port sentinel)} = ($t->address, $port, 1);
    $liar->start("port $port", 'bind ' . $t->address, 'protected-mode no',
        'sentinel monitor liar ' . "$replica->{address} $replica->{port} 2");
    wait_for(sub { $liar->command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'liar')->[1] == $replica->{port} }, 5);
    $t->config($config, REDIS => "sentinel://$liar->{address}:$port/liar");
    my $mark = length $t->log;
    $t->start(any => 1);
    ok(wait_for(sub { status()->{last_error} ne 'ok' && !status()->{connected} }, 20), 'a replica is left at once');
    ok(wait_for(sub { substr($t->log, $mark) =~ /readonly: it is a replica/ }, 20), 'and the log says why');
    is(visitor()->choose('accept_all')->status, 503, 'nothing is recorded by it');
    $liar->stop;
};

$t->stop;
$set->stop;
$t->{redis} = $plain;
$t->finish;
