#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Notices with more than one Redis: answered while the user's slot goes to another server of a Cluster; and streams that
# stay open while a master dies, of a Cluster and behind Sentinels: what is sent afterwards comes on them once, and what
# was answered before stays answered.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Events;
use Test::Privacy::Sentinel;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('notice-servers', workers => 2);
my $code = JSON::PP->new->utf8->canonical;
my $stream = 'privacy:example:notices';
$t->allow(qr/connect\(\) failed \(111/);
$t->upstream(sub {
    my ($user) = (Test::Privacy::Upstream::header($_[0], 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => ['Content-Type' => 'text/html', $user ? ('X-Privacy-User' => $user) : ()],
        body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});

# privacyctl is told where to go; the set is published to, and nginx started with it
sub begin {
    my ($url, $http) = @_;

    $t->{redis} = bless { url => $url }, 'Address';
    $t->publish($t->bundle);
    $t->config(site_conf(<<'CONF', http => $http), REDIS => $url);
    add_header X-Version "$privacy_version" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
    $t->start;
    ok(wait_for(sub { $t->get('/')->header('X-Version') }, 20), 'the policy is in force');
}
sub Address::url { return $_[0]{url} }

sub user {
    my ($name) = @_;
    my $v = $t->visitor(headers => ['Accept-Language' => 'en']);
    $v->jar->{sessionid} = $name;
    $v->get('/');
    return $v;
}
sub announce {
    my ($text) = @_;
    my $file = $t->dir . '/notice.json';
    spew($file, $code->encode({ kind => 'announcement', texts => { map { $_ => { title => "About $text",
        summary => "What is said of $text." } } qw(en zh-CN) } }));
    my ($status, $out);
    wait_for(sub {
        ($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', $t->keys_dir . '/example.key', '--json', $file);
        $status == 0;
    }, 30) or die "privacyctl notice send: $out";
    return json($out)->{id};
}
sub bar   { return $_[0]->get('/')->body =~ /id="privacy-notice"[^>]* data-notice="(\w+)"/ ? $1 : '' }
sub shows { my ($v, $id) = @_; return wait_for(sub { bar($v) eq $id }, 20) }
sub token { my ($v, $id) = @_; return json($v->get("/privacy/notices/$id", Accept => 'application/json')->body)->{token} }
sub answer {
    my ($v, $id, $token) = @_;
    return $v->post("/privacy/notices/$id/ack", $code->encode({ answer => 'acknowledge', token => $token // token($v, $id) }),
        'Content-Type' => 'application/json', Accept => 'application/json')->status;
}
sub marks_key {
    my ($name) = @_;
    my ($subject) = ($t->ctl('subject', '--user', $name, '--keys', $t->keys_dir . '/keys', '--site', 'example'))[1]
        =~ /(\S+)/;
    return "privacy:{example:$subject}:notices";
}

# A stream for each of them, and what comes on it: { user, events, ids }
sub connect_all {
    my (@names) = @_;
    return map { my $v = user($_); my $s = events($v); $s->next('hello'); +{ name => $_, user => $v, stream => $s,
        ids => [] } } @names;
}
sub come {
    my ($id, $seconds, @readers) = @_;
    my $begin = time;
    for my $reader (@readers) {
        while (!grep { $_ eq $id } @{$reader->{ids}}) {
            my $event = $reader->{stream}->next('notice', $begin + $seconds - time) or last;
            push @{$reader->{ids}}, $event->{json}{id};
        }
    }
    note(sprintf '%s after %.1f s', $id, time - $begin);
    return !grep { my $r = $_; !grep { $_ eq $id } @{$r->{ids}} } @readers;
}
# Each worker knows it: streams may all be one worker's
sub known {
    my ($id, $seconds) = @_;
    my ($begin, %knows) = (time);
    my $known = wait_for(sub {
        my $status = json($t->get('/status')->body);
        $knows{$status->{node}{worker}} = 1 if grep { $_->{id} eq $id } @{$status->{sites}[0]{notices}{open}};
        return keys %knows == $t->{workers};
    }, $seconds);
    note(sprintf '%s known to all after %.1f s', $id, time - $begin);
    return $known;
}
# Whatever came more than once, and streams that ended
sub repeated {
    my (@readers) = @_;
    my @wrong;
    for my $r (@readers) {
        my %n;
        $n{$_}++ for @{$r->{ids}}, map { $_->{json}{id} } grep { $_->{event} eq 'notice' } $r->{stream}->quiet(0.3);
        push @wrong, map({ "$r->{name}: $_ $n{$_} times" } grep { $n{$_} > 1 } sort keys %n),
            $r->{stream}{closed} ? "$r->{name}: ended" : ();
    }
    return \@wrong;
}

# A Cluster, where an answer counts once a replica has it

my $cluster = Test::Privacy::Cluster->new($t->dir . '/cluster', masters => 3, replicas => 1, address => $t->address);
begin($cluster->url, 'privacy_durability replicas=1;');

sub replica_of {
    my ($master) = @_;
    my ($replica) = grep { my $role = $_->command('ROLE'); $role->[0] eq 'slave' && $role->[2] == $master->{port} }
        $cluster->running;
    return $replica;
}
sub slot_keys { my ($node, $slot) = @_; return @{$node->command('CLUSTER', 'GETKEYSINSLOT', $slot, 100)} }
sub migrate {
    my ($slot, $from, $to) = @_;
    my @keys = slot_keys($from, $slot);
    $from->command('MIGRATE', $to->{address}, $to->{port}, '', 0, 5000, 'KEYS', @keys) if @keys;
}

# All that is known of the user is at the other end already, the slot is not: everything is asked behind ASKING

subtest 'the slot is on its way' => sub {
    my $v = user('asked');
    my $id = announce('the way');
    ok(shows($v, $id), 'a notice');
    my $token = token($v, $id);
    my $key = marks_key('asked');
    my $slot = $cluster->slot($key);
    my $from = $cluster->node_of($slot);
    my ($to) = grep { $_ != $from } $cluster->masters;
    $cluster->move($slot, $to, sub {
        migrate($slot, $from, $to);
        is(answer($v, $id, $token), 200, 'answered');
        is(answer($v, $id, $token), 200, 'and once more, for which the user is looked up');
        is(scalar(slot_keys($from, $slot)), 0, '... nothing of it where it was');
    });
    my %marks = @{$to->command('HGETALL', $key)};
    is_deeply([map { exists $marks{"$id:$_"} ? 1 : 0 } qw(seen acknowledged)], [1, 1], 'all of it has arrived');
};

# Two users of one shard, whose replica stands still: the second answer waits behind the first one's WAIT, and its slot
# goes elsewhere meanwhile. Replicas there have to have it.

sub while_it_waits {
    my ($moved, $finish) = @_;

    my ($ended, $late, $arrived);
    for my $round ('a' .. 'e') {                # where the machine is busy, the replica may be too late for WAIT
        ($ended, $late, $arrived) = answered_and_moved("$moved$round", $finish);
        last if !$late || !grep { $_ } @$ended;
    }
    is_deeply($ended, [0, 0], 'it goes on: both answers are acknowledged');
    ok($arrived, '... the second one where it went');
    return;
}
sub answered_and_moved {
    my ($moved, $finish) = @_;

    my ($first, $second, $key, $shard);
    for my $n (1 .. 40) {
        my $name = "$moved$n";
        my $at = marks_key($name);
        my $node = $cluster->node_of($at);
        $shard //= $node;
        next if $node != $shard;
        ($second, $key) = (user($name), $at) if $first && !$second;
        $first //= user($name);
        last if $second;
    }
    my $id = announce($moved);
    ok(shows($_, $id), 'a notice for two users of one shard') for $first, $second;
    my %token = map { $_ => token($_, $id) } $first, $second;

    my $slot = $cluster->slot($key);
    my ($to) = grep { $_ != $shard } $cluster->masters;
    my $replica = replica_of($shard);
    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $cluster->id($shard));
    $shard->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $cluster->id($to));

    my %at = ($first => marks_key($first->jar->{sessionid}), $second => $key);
    my $begin = time;
    $replica->pause;
    my @children;
    for my $v ($first, $second) {
        my $pid = fork // die "fork: $!";
        POSIX::_exit(answer($v, $id, $token{$v}) == 200 ? 0 : 1) if !$pid;
        push @children, $pid;
        wait_for(sub { $shard->command('HEXISTS', $at{$v}, "$id:acknowledged") }, 5) or diag('not written');
    }
    migrate($slot, $shard, $to);
    $finish->($slot, $shard, $to) if $finish;
    $replica->resume;
    my $late = time - $begin > 0.8;
    my @ended = map { waitpid $_, 0; $? } @children;
    $cluster->move($slot, $to);
    $cluster->ready;
    return (\@ended, $late, $to->command('HEXISTS', $key, "$id:acknowledged"));
}

subtest 'asked elsewhere while it waits' => sub { while_it_waits('ask') };
subtest 'moved while it waits' => sub {
    my @masters = $cluster->masters;
    while_it_waits('moved', sub {
        my ($slot, $from, $to) = @_;
        $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $cluster->id($to)) for $to, $from, grep { $_ != $to && $_ != $from }
            @masters;
    });
};

# That it was written to them is recorded of many users with one request, which goes by the slot of the first

subtest 'slots that nginx does not know to be elsewhere' => sub {
    my @readers = connect_all(map { "w$_" } 1 .. 9);
    my %key = map { $_->{name} => marks_key($_->{name}) } @readers;
    my %moved;
    for my $key (values %key) {
        my $from = $cluster->node_of($key);
        my @others = grep { $_ != $from } $cluster->masters;
        # from each shard to both of the others
        $cluster->move($cluster->slot($key), $others[$moved{$from}++ % @others]);
    }
    my $id = announce('slots');
    ok(come($id, 20, @readers), 'a notice comes on all streams');
    my @missing;
    ok(wait_for(sub { @missing = grep { !$cluster->node_of($key{$_})->command('HEXISTS', $key{$_}, "$id:written") }
        sort keys %key; !@missing }, 20), '... and that it did is recorded of each') or diag("@missing");
    $_->{stream}->close for @readers;
};

# Masters die, one after another: first the one with the notices, then one that a worker listens to

sub listened_to {
    return grep { $_->command('CLIENT', 'LIST') =~ / sub=[1-9]/ } $cluster->masters;
}

subtest 'a cluster whose masters die' => sub {
    my @readers = connect_all(map { "c$_" } 1 .. 6);
    my $id = announce('before');
    ok(come($id, 20, @readers), 'a notice comes on all streams');
    is(answer($_->{user}, $id), 200, 'answered') for @readers[0, 1];

    for my $round (1 .. 2) {
        my $old;
        wait_for(sub { ($old) = $round == 1 ? $cluster->node_of($stream) : listened_to() }) or die 'nobody listens';
        my $replica = replica_of($old);
        $old->kill;
        ok(wait_for(sub { $replica->command('ROLE')->[0] eq 'master' }, 30), "master $round dies, its replica takes over");
        my $next = announce("failover $round");
        ok(come($next, 20, @readers), 'what is sent then comes on all streams');
        ok(known($next, 20), 'and each worker knows it');
        $cluster->again($old);
        $cluster->ready;
    }
    is_deeply(repeated(@readers), [], 'nothing came twice, no stream ended');
    my %due = map { $_->{name} => join ' ', map { $_->{id} } grep { $_->{due} }
        @{json($_->{user}->get('/privacy/notices.json')->body)->{notices}} } @readers;
    unlike($due{$_}, qr/\b$id\b/, 'what was answered stays answered') for qw(c1 c2);
    like($due{c3}, qr/\b$id\b/, 'what was not is still due');
    ok(wait_for(sub { answer($readers[2]{user}, $id) == 200 }, 20), 'and can be answered');
};
$t->stop;
$cluster->stop;

# Sentinels: a master by order, one that dies, and one that stands still

my $set = Test::Privacy::Sentinel->new($t->dir . '/set', replicas => 2, address => $t->address);
begin($set->url, '');

subtest 'masters behind sentinels' => sub {
    my @readers = connect_all(map { "s$_" } 1 .. 6);
    my $id = announce('before');
    ok(come($id, 20, @readers), 'a notice comes on all streams');
    is(answer($readers[0]{user}, $id), 200, 'answered');

    my %ways = (1 => ['another master by order', sub { $set->failover }],
        2 => ['the master dies', sub { my ($old) = @_; $old->kill; $set->moved($old) }],
        3 => ['the master stands still', sub { my ($old) = @_; $old->pause; $set->moved($old) }]);
    for my $round (sort keys %ways) {
        my ($what, $way) = @{$ways{$round}};
        $set->caught_up;
        my $old = $set->master;
        $way->($old);
        pass($what);
        my $next = announce("failover $round");
        ok(come($next, 20, @readers), 'what is sent then comes on all streams');
        ok(known($next, 20), 'and each worker knows it');
        is(answer($readers[$round]{user}, $next), 200, 'and is answered');
        $old->{pid} ? $old->resume : $set->again($old);
        # a server that is put back closes the connections that it had
        ok(wait_for(sub { (eval { $old->command('ROLE')->[0] } // '') eq 'slave' }, 30), 'the old master is a replica');
        $set->connected;
    }
    is_deeply(repeated(@readers), [], 'nothing came twice, no stream ended');
    my $key = marks_key('s1');
    my $master = $set->master;
    eval { $master->command('PING') };          # who became a master closed the connections that it had
    ok($master->command('HEXISTS', $key, "$id:acknowledged"), 'what was answered before stays answered');
};

$t->stop;
$set->stop;
$t->{redis} = Test::Privacy::Redis->new($t->dir . '/plain');
$t->finish;
