#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacy_durability: with replicas=N a choice is acknowledged once N replicas have it, and otherwise as one whose
# outcome is not known; many wait together; what the server's settings do not promise is said in log and status.

use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Redis;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('durability', workers => 1);
my $redis = $t->redis;
my $socket = $t->dir . '/server.sock';          # leads to one server, or to another
symlink $redis->socket, $socket or die "$socket: $!";

sub port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => $t->address, LocalPort => 0) or die "no free port: $!";
    return $s->sockport;
}
my $port = port();
my $replica = Test::Privacy::Redis->new($t->dir . '/replica');

sub follow { $replica->start('port ' . port(), 'bind ' . $t->address, 'replicaof ' . $t->address . " $port", @_) }
sub online { return wait_for(sub { info('replication') =~ /state=online/ }, 20) }
sub info { return $redis->command('INFO', $_[0]) }

sub config {
    my ($directive) = @_;
    $t->config(site_conf(<<"CONF", http => $directive), REDIS => "unix:$socket");
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
    location = /app {
        privacy_user \$cookie_sessionid;
        privacy_session sessionid;
        proxy_pass %%UPSTREAM%%;
    }
CONF
}

my $network = 0;
sub visitor {
    my $v = $t->visitor(headers => ['X-Real-IP' => join '.', 10, 9 + (++$network >> 8), $network & 255, 1]);
    $v->get('/privacy/choices');
    return $v;
}

# A choice that is sent, but for so many bytes at its end; what it is answered is read later
sub send_choice {
    my ($v, $choice, $held) = @_;
    my %form = $v->form;
    my $client = Test::Privacy::Client->new(peer => $v->{peer}, timeout => 20);
    my $bytes = Test::Privacy::Client::_format($client, 'POST', '/privacy/choices', close => 1,
        body => Test::Privacy::Client::form(%form, choice => $choice),
        headers => [@{$v->{headers}}, 'Sec-Fetch-Site' => 'same-origin',
            'Content-Type' => 'application/x-www-form-urlencoded']);
    $client->{held} = $held ? substr $bytes, -$held, $held, '' : '';
    $client->write($bytes);
    return $client;
}

sub status { return json($t->get('/status')->body)->{redis} }
sub durability { return status()->{durability} }
sub counter { return json($t->get('/status')->body)->{sites}[0]{counters}{$_[0]} }
sub ledgers { return sort @{$_[0]->command('KEYS', '*}:ledger')} }
sub records { my ($server) = @_; my $n = 0; $n += $server->command('HLEN', $_) for ledgers($server); return $n }
sub calls { return info('commandstats') =~ /^cmdstat_$_[0]:calls=(\d+)/m ? $1 : 0 }

# Settings are looked at again on each connection
sub look_again {
    $redis->command('CLIENT', 'KILL', 'TYPE', 'normal');
    return wait_for(sub { status()->{connected} }, 20);
}

# As it is written

for my $wrong ('disk', 'replicas', 'replicas=0', 'replicas=17', 'fsync=1') {
    config("privacy_durability $wrong;");
    my ($rc, $said) = $t->check_config;
    isnt($rc, 0, "$wrong: refused");
    like($said, qr/invalid privacy_durability "\Q$wrong\E": expected/, '... and said why');
}
config("privacy_durability memory;\n    privacy_durability fsync;");
like(($t->check_config)[1], qr/"privacy_durability" directive is duplicate/, 'not twice');

# With a replica

$redis->start("port $port", 'bind ' . $t->address, 'repl-diskless-sync-delay 0');
follow();
ok(online(), 'a replica follows');
config('privacy_durability replicas=1;');
$t->publish($t->bundle);
$t->upstream(sub { return { headers => ['Content-Type' => 'text/html'],
    body => '<!doctype html><title>t</title><p>hello' } });
$t->start;
$t->allow(qr/connect\(\) to unix:.*(?:redis|server)\.sock failed/);

my $first = visitor();
is($first->choose('accept_all')->status, 303, 'a choice is acknowledged');
is(records($replica), 1, '... and the replica has it at that moment');
my $said = durability();
is($said->{mode}, 'replicas=1', 'status: the mode');
is_deeply([@$said{'waiting', 'short', 'last_count'}], [0, 0, 1], '... nothing waits, nothing was short, one has it');
ok(wait_for(sub { status()->{warning} eq 'min-replicas-to-write is 0, it has to be 1' }), '... and a warning')
    or diag(status()->{warning});
like($t->log, qr/\[warn\].*may lose or refuse choices: min-replicas-to-write is 0, it has to be 1$/m, '... in the log, too');
like($t->get('/status?format=prometheus')->body, qr/^privacy_redis_replicas\{worker="\d+"\} 1$/m, '... for Prometheus');

$redis->command('CONFIG', 'SET', 'min-replicas-to-write', 1);
look_again();
ok(wait_for(sub { status()->{warning} eq '' }, 20), 'set as it has to be: no warning');
is(durability()->{unverified}, '', '... and all of it could be seen');
$redis->command('CONFIG', 'SET', 'min-replicas-to-write', 0);       # what follows is to be caught by WAIT alone

# Many at once: while one batch is under way, all others wait for the next

is(visitor()->choose('accept_all')->status, 303, 'one more');
my $before = records($redis);
my @visitors = map { visitor() } 1 .. 50;
$redis->command('CONFIG', 'RESETSTAT');
$replica->pause;
my @sent = map { send_choice($_, 'accept_all') } @visitors;
wait_for(sub { records($redis) == $before + 50 }, 0.7);
$replica->resume;
my %answers;
$answers{$_->read('POST', 20)->status}++ for @sent;
my $waits = calls('wait');
is_deeply([sort keys %answers], [grep { $answers{$_} } 303, 503], "50 at once: $waits WAITs") or diag(explain \%answers);
cmp_ok($waits, '<=', 10, '... far fewer than choices');
cmp_ok($waits, '>=', 1, '... but some');
is(calls('expire'), 50 + $waits, '... and one write of its own each');
is(durability()->{waiting}, 0, '... nothing waits any more');
cmp_ok($answers{303} // 0, '>=', 1, '... and those whose batch was not short are acknowledged');

# The replica stands still: nothing is acknowledged, though the server has it

my ($accepts, $refuses, $insists) = (visitor(), visitor(), visitor());
is($_->choose('accept_all')->status, 303, 'agreed before') for $refuses, $insists;
$_->get('/privacy/choices') for $refuses, $insists;
my ($short, $recorded) = (durability()->{short}, counter('pending_recorded'));
$before = records($redis);
sub said_short { return scalar(() = $t->log =~ /\[error\].*is on 0 of 1 replicas: choices are not acknowledged/g) }
my $said_before = said_short();
sleep 1.2;                          # what was written up to here the replica has acknowledged, asked for or not
$replica->pause;

is($refuses->choose('reject_all')->status, 503, 'the replica is stopped: a refusal is not acknowledged');
is(records($redis), $before + 1, '... though it is written');
like($refuses->page->body, qr/尚未记录/, '... it holds in this browser');
my $carried = $refuses->consent;
cmp_ok(length $carried, '>', length $insists->consent, '... which carries it');
is($accepts->choose('accept_all')->status, 503, 'a grant is not acknowledged');
is($accepts->consent, undef, '... nor does anything of it hold');
cmp_ok(durability()->{short}, '>=', $short + 2, 'status: they are counted');
is(durability()->{last_count}, 0, '... and that no replica had the last');
is(said_short(), $said_before + 1, 'and the log says so, once');

$refuses->get('/');
sleep 1.5;
is(counter('pending_recorded'), $recorded, 'one that is found on the ledger is not taken for recorded either');

is($insists->choose('reject_all')->status, 503, 'another refuses');
$before = records($redis);
$insists->get('/privacy/choices');
is($insists->choose('reject_all')->status, 503, '... and again: it is there, and waited for again');
is(records($redis), $before, '... but not recorded twice');
# its page has tried to record it less than five seconds ago, and does not again: the choice does, and is what is counted
$replica->resume;
$insists->get('/privacy/choices');
is($insists->choose('reject_all')->status, 303, 'the replica goes on: now it is acknowledged');
is(records($redis), $before, '... and is recorded once');
ok(wait_for(sub { $refuses->get('/'); sleep 0.2; length $refuses->consent < length $carried }, 20),
    'the other one is settled by the next pages');
is(counter('pending_recorded'), $recorded + 2, '... each once');
is(records($redis), $before, '... not recorded twice');
is_deeply([map { $replica->command('HGETALL', $_) } ledgers($redis)],
    [map { $redis->command('HGETALL', $_) } ledgers($redis)], 'the replica has all of it');
like($t->log, qr/\[notice\].*replicas have what is written again/, 'and the log says that all is well again');

# What a user answers to a notice is no less

spew($t->dir . '/notice.json', '{"kind":"announcement","texts":{"en":{"title":"A","summary":"B."},'
    . '"zh-CN":{"title":"A","summary":"B."}}}');
my $user = $t->visitor(headers => ['Accept-Language' => 'en']);
$user->jar->{sessionid} = 'bob';
$user->get('/app');
sleep 1.1;                                      # met before is met in an earlier second
my ($rc, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', $t->keys_dir . '/example.key', '--json',
    $t->dir . '/notice.json');
is($rc, 0, 'a notice is sent') or diag($out);
my $id = json($out)->{id};
ok(wait_for(sub { $user->get('/app')->body =~ /data-notice="$id"/ }, 20), 'a user is shown it');
my %form = $user->form;
sub answer { return $user->post("/privacy/notices/$id/ack", { %form, answer => 'acknowledge' })->status }
$replica->pause;
is(answer(), 503, 'nothing that they answer is acknowledged while the replica is stopped');
$replica->resume;
is(answer(), 303, '... the same again is when it goes on');

# Redis itself refuses, when it is told to

$redis->command('CONFIG', 'SET', 'min-replicas-to-write', 1);
$replica->stop;
$before = records($redis);
my $v = visitor();
ok(wait_for(sub { info('replication') =~ /connected_slaves:0/ }, 20), 'the replica is gone');
is($v->choose('accept_all')->status, 503, '... nothing is saved');
is(records($redis), $before, '... nor written');
like($t->log, qr/could not be written: noreplicas/, '... because of that');
look_again();
ok(wait_for(sub { status()->{warning} =~ /0 of 1 replica is connected/ }, 20), '... which status says');
follow();
ok(online(), 'it comes back');
ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), '... and all is well');

# A worker that is to leave waits for what it is waiting for

my ($worker, $answer, $in_time, $client);
for (1 .. 5) {                                          # where the machine is busy, the replica may say so too late
    ($worker) = $t->workers;
    my $leaving = visitor();
    $replica->pause;
    my $begin = time;
    $client = send_choice($leaving, 'accept_all');
    wait_for(sub { durability()->{waiting} }, 0.3);
    kill 'HUP', $t->pid;
    wait_for(sub { !grep { $_ == $worker } $t->workers }, 0.3);
    $replica->resume;
    $in_time = time - $begin < 0.6;                     # else the second for which it waits may be over
    $answer = $client->read('POST', 20)->status;
    $client->close;
    ok(wait_for(sub { !kill 0, $worker }, 20), 'nginx reloads: the old worker leaves');
    last if $answer == 303 || $in_time;
}
ok($answer == 303 || $answer == 503 && !$in_time, '... and acknowledges before what it was waiting for') or diag($answer);

# One whose connections were idle, and closed when it was told to leave, makes them anew

($worker) = $t->workers;
$client = send_choice(visitor(), 'accept_all', 3);
status() for 1 .. 3;                                    # it has come as far as that
ok($t->reload, 'nginx reloads');
$client->write($client->{held});
is($client->read('POST', 20)->status, 303, '... the last bytes come: the old worker acknowledges it');
$client->close;
ok(wait_for(sub { !kill 0, $worker }, 20), '... and leaves');
ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), 'the new one is well');

# One address, two servers: what one wrote the other cannot vouch for

my $other = Test::Privacy::Redis->new($t->dir . '/other');
$other->start;
unlink $socket;
symlink $other->socket, $socket or die "$socket: $!";
my ($waiter) = map { /^id=(\d+)/ } grep { /cmd=wait/ } split /\n/, $redis->command('CLIENT', 'LIST');
ok($waiter, 'WAIT has a connection of its own');
$redis->command('CLIENT', 'KILL', 'ID', $waiter);
my $lost = visitor();
is($lost->choose('accept_all')->status, 503, 'it leads to another server now: nothing is acknowledged');
ok(wait_for(sub { $t->log =~ /the address stands for several servers/ }), '... and the log says why');
unlink $socket;
symlink $redis->socket, $socket or die "$socket: $!";
ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), 'it leads back: all is well');
$other->stop;

# An account that may not look at settings: said, not held against it

$redis->command('ACL', 'SETUSER', 'default', '-config', '-info');
look_again();
ok(wait_for(sub { durability()->{unverified} eq 'maxmemory-policy; appendonly; min-replicas-to-write; replicas' }, 20),
    'without CONFIG and INFO: status says what could not be seen') or diag(explain status());
is(status()->{warning}, '', '... which is no warning');
ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), '... and choices are saved');
$redis->command('ACL', 'SETUSER', 'default', '-wait');
is(visitor()->choose('accept_all')->status, 503, 'without WAIT none is');
like($t->log, qr/whether replicas have what was written is not known: noperm/, '... and the log says why');
$redis->command('ACL', 'SETUSER', 'default', '+config', '+info', '+wait');
ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), 'allowed again: saved');

# Two replicas: replicas=2 needs both, replicas=1 is content with either, memory with none

my $second = Test::Privacy::Redis->new($t->dir . '/second');
$second->start('port ' . port(), 'bind ' . $t->address, 'replicaof ' . $t->address . " $port", 'appendonly no');
ok(wait_for(sub { info('replication') =~ /connected_slaves:2/ && 2 == (() = info('replication') =~ /state=online/g) }, 20),
    'a second replica');
sub paused {
    my ($which) = @_;
    my $v = visitor();
    $which->pause;
    my $before = records($redis);
    my $answer = $v->choose('accept_all')->status;
    is(records($redis), $before + 1, '... is written');
    $which->resume;
    return $answer;
}
is(paused($second), 303, 'replicas=1: a choice while one of two stands still is acknowledged: either may lack the newest');
config('privacy_durability replicas=2;');
$t->reload;
ok(wait_for(sub { durability()->{mode} eq 'replicas=2' && visitor()->choose('accept_all')->status == 303 }, 20),
    'replicas=2: a choice');
is(durability()->{last_count}, 2, '... is acknowledged when two have it');
is(records($_), records($redis), '... each of which has all') for $replica, $second;
is(paused($_), 503, '... and not while one of them stands still') for $second, $replica;
config('privacy_durability memory;');
$t->reload;
ok(wait_for(sub { durability()->{mode} eq 'memory' && visitor()->choose('accept_all')->status == 303 }, 20), 'memory');
is(paused($second), 303, '... a replica that stands still does not matter');

# On disk

$redis->command('CONFIG', 'SET', 'appendfsync', 'everysec');
config('privacy_durability fsync;');
$t->reload;
ok(wait_for(sub { status()->{warning} eq 'appendfsync is "everysec", it has to be "always"' }, 20),
    'fsync, and Redis does not: a warning') or diag(explain status());
is(durability()->{mode}, 'fsync', '... of this mode');
$redis->command('CONFIG', 'RESETSTAT');
is(visitor()->choose('accept_all')->status, 303, '... but choices are saved');
is(calls('wait'), 0, '... and nobody waits for replicas');
$redis->command('CONFIG', 'SET', 'appendfsync', 'always');
look_again();
ok(wait_for(sub { status()->{warning} eq '' }, 20), 'Redis does: no warning');
$redis->command('CONFIG', 'SET', 'no-appendfsync-on-rewrite', 'yes');
look_again();
ok(wait_for(sub { status()->{warning} eq 'no-appendfsync-on-rewrite is "yes", it has to be "no"' }, 20),
    '... but not while it rewrites its file: a warning') or diag(explain status());

# A master that keeps nothing, and comes back as master: its replicas have no more than it has

config('privacy_durability replicas=1;');
$t->reload;
ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), 'a choice that a replica has');
cmp_ok(records($replica), '>', 0, '... with others');
$redis->kill;
$redis->start("port $port", 'bind ' . $t->address, 'repl-diskless-sync-delay 0', 'appendonly no');
ok(online(), 'the master, killed, comes back with appendonly no');
is(records($redis), 0, '... and has nothing');
ok(wait_for(sub { records($replica) == 0 }, 20), '... nor has the replica any more');

$t->finish;
