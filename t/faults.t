#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis away, hung, full, read-only, unable to persist, loading, busy, locked, emptied: pages are served, nothing is said
# to be saved that is not, a refusal holds at once and is recorded with the next contact.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(sleep time);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch qw(took);

my $t = Test::Privacy->new('faults');
$t->redis->start;
$t->upstream(sub {
    return { headers => ['Content-Type' => 'text/html; charset=utf-8'],
        body => '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>' };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    privacy_lease 1s grace=2s;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-State "<$privacy_state>" always;
    add_header X-Subject "<$privacy_subject>" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;

my $network = 0;
sub visitor { return $t->visitor(headers => ['X-Real-IP' => '10.1.' . ++$network . '.1', 'Accept-Language' => 'en'], @_) }
sub subject { my ($v) = @_; return $v->get('/')->header('X-Subject') =~ /^<(.*)>$/ ? $1 : '' }
sub consent { my ($v) = @_; return $v->get('/')->header('X-Consent') }
sub records { my ($subject) = @_; return $t->redis->command('HLEN', "privacy:{example:$subject}:ledger") }
sub status  { return json($t->get('/status')->body) }
sub counter { return status()->{sites}[0]{counters}{$_[0]} }

# A grant that cannot be saved, and a refusal that cannot: one visitor each, and one who had agreed before.
sub outage {
    my ($what, $break, $mend, %expect) = @_;

    my $agreed = visitor();
    $agreed->get('/');
    is($agreed->choose('accept_all')->status, 303, "$what: before it, an accept is saved");
    my $subject = subject($agreed);
    my ($new, $shy) = (visitor(), visitor());
    $_->get('/') for $new, $shy;
    $agreed->get('/privacy/choices');

    $break->();

    my $r;
    my $took = took(sub { $r = $new->get('/') });
    is($r->status, 200, "$what: pages are served");
    like($r->body, qr/id="privacy-banner"/, "$what: with the banner");
    cmp_ok($took, '<', 1, "$what: at once");

    $took = took(sub { $r = $new->choose('accept_all') });
    is($r->status, 503, "$what: an accept is not saved");
    like($r->header('Retry-After'), qr/^\d+$/, "$what: come back later");
    is_deeply([$r->cookies], [], "$what: no cookie that claims it");
    cmp_ok($took, '<', 4, "$what: in bounded time");

    $shy->get('/');
    $r = $shy->choose('reject_all');
    is($r->status, 503, "$what: a refusal is not recorded");
    like($r->body, qr/in effect/, "$what: but in effect");
    like($shy->get('/')->body, qr/^(?!.*id="privacy-banner")/s, "$what: it holds");

    $r = $agreed->choose('withdraw');
    is($r->status, 503, "$what: a withdrawal is not recorded");
    is(consent($agreed), '<>', "$what: but in effect");
    is($agreed->get('/privacy/choices', Accept => 'application/json')->body =~ /"pending":true/ ? 1 : 0, 1,
        "$what: and said to be on its way");

    $mend->();

    ok(wait_for(sub {
        $agreed->get('/');
        return (eval { records($subject) } || 0) == 2;
    }, 20), "$what: over, the withdrawal is recorded");
    is(consent($agreed), '<>', "$what: and holds");
    ok(wait_for(sub {
        my $s = subject($shy);
        return $s && (eval { records($s) } || 0) == 1;
    }, 20), "$what: so is the refusal");
    ok(wait_for(sub {
        $agreed->get('/');
        return $agreed->get('/privacy/choices', Accept => 'application/json')->body =~ /"pending":false/;
    }, 20), "$what: nothing is pending any more");
    is(records($subject), 2, "$what: it was recorded once");

    $agreed->get('/privacy/choices');
    is($agreed->choose('accept_all')->status, 303, "$what: a new accept counts");
    is(consent($agreed), '<analytics,marketing>', "$what: and holds");
}

outage('killed', sub { $t->redis->kill }, sub { $t->redis->start });
outage('hung', sub { $t->redis->pause }, sub { $t->redis->resume });
outage('full', sub { $t->redis->command('CONFIG', 'SET', 'maxmemory', '1') },
    sub { $t->redis->command('CONFIG', 'SET', 'maxmemory', '0') });
outage('read-only', sub { $t->redis->command('REPLICAOF', '127.0.0.1', '1') },
    sub { $t->redis->command('REPLICAOF', 'NO', 'ONE') });

outage('locked', sub {
    $t->redis->command('CONFIG', 'SET', 'requirepass', 'secret');
    $t->redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
}, sub { $t->redis->command('CONFIG', 'SET', 'requirepass', '') });

# A snapshot that cannot be put in its place, and settings that take this for a reason to write no more
outage('unable to persist', sub {
    mkdir $t->dir . '/redis/dump.rdb';
    $t->redis->command('CONFIG', 'SET', 'save', '3600 1');
    $t->redis->command('BGSAVE');
    wait_for(sub { $t->redis->command('INFO', 'persistence') =~ /rdb_last_bgsave_status:err/ }, 20)
        or die 'the snapshot did not fail';
}, sub { $t->redis->command('CONFIG', 'SET', 'save', ''); rmdir $t->dir . '/redis/dump.rdb' });

# Started again with so much to read that it takes a while
outage('loading', sub {
    $t->redis->kill;
    my ($log) = glob $t->dir . '/redis/appendonlydir/*.incr.aof';
    open my $out, '>>:raw', $log or die "$log: $!";
    print $out "*3\r\n\$3\r\nSET\r\n\$3\r\npad\r\n\$1\r\n1\r\n" x 500_000;
    close $out or die "$log: $!";
    $t->redis->start('key-load-delay 50');
    ok(!eval { $t->redis->command('GET', 'pad') } && $@ =~ /LOADING/, 'loading: it says so');
}, sub { $t->redis->command('CONFIG', 'SET', 'key-load-delay', '0') });

outage('busy', sub {
    $t->redis->command('CONFIG', 'SET', 'busy-reply-threshold', '1');
    my $endless = IO::Socket::UNIX->new(Peer => $t->redis->socket, Type => SOCK_STREAM) or die "$!";
    print $endless "EVAL 'while true do end' 0\r\n";
    $endless->flush;
    wait_for(sub { !eval { $t->redis->command('GET', 'pad'); 1 } && $@ =~ /BUSY/ }, 20) or die 'it is not busy';
}, sub { $t->redis->command('SCRIPT', 'KILL') });

outage('without replicas', sub { $t->redis->command('CONFIG', 'SET', 'min-replicas-to-write', '1') },
    sub { $t->redis->command('CONFIG', 'SET', 'min-replicas-to-write', '0') });

# Silence that ends in time is waited for; who goes away meanwhile has chosen all the same

sub agreed {
    my $v = visitor();
    $v->get('/');
    $v->choose('accept_all');
    my $subject = subject($v);
    $v->get('/privacy/choices');
    my %form = $v->form;
    return ($v, $subject, $form{token});
}

sub reject {
    my ($v, $token) = @_;
    my $connection = $t->connect;
    my $body = "choice=reject_all&token=$token";
    $connection->write(join "\r\n", 'POST /privacy/choices HTTP/1.1', 'Host: ' . $t->listen,
        'Cookie: privacy=' . $v->consent, 'Sec-Fetch-Site: same-origin',
        'Content-Type: application/x-www-form-urlencoded', 'X-Real-IP: 10.3.1.1', 'Content-Length: ' . length $body,
        '', $body);
    return $connection;
}

my ($v, $subject, $token) = agreed();
$t->redis->pause;
my $connection = reject($v, $token);
sleep 0.5;
$t->redis->resume;
is($connection->read('POST')->status, 303, 'half a second of silence is waited for');
is(records($subject), 2, 'recorded once');

($v, $subject, $token) = agreed();
$t->redis->pause;
$connection = reject($v, $token);
sleep 0.2;
$connection->close;
sleep 0.2;
$t->redis->resume;
ok(wait_for(sub { records($subject) == 2 }, 20), 'the sender has gone: recorded all the same');
ok(wait_for(sub { consent($v) eq '<>' }, 20), 'and it holds');

# Emptied behind our back

($v, $subject, $token) = agreed();
is(consent($v), '<analytics,marketing>', 'agreed');
$t->redis->command('FLUSHALL');
ok(wait_for(sub { consent($v) eq '<>' }, 20), 'after the lease the old cookie is undecided');
like($v->get('/')->body, qr/id="privacy-banner"/, 'and the visitor is asked again');
my $r = $v->post('/privacy/choices', { token => $token, choice => 'accept_all' });
is($r->status, 409, 'the old form does not bring it back');
$v->get('/');
is($v->choose('accept_all')->status, 303, 'a new choice');
is(consent($v), '<analytics,marketing>', 'counts');
isnt(subject($v), $subject, 'on a ledger of its own');
is(records(subject($v)), 1, 'from its first position');
is($t->redis->command('EXISTS', "privacy:{example:$subject}:ledger"), 0, 'the old one stays gone');
cmp_ok(counter('ledger_missing'), '>', 0, 'the loss is counted');
is($t->get('/privacy/')->status, 200, 'the policy is still shown');

# Emptied while a refusal is on its way: nothing is put on top of what is gone

($v, $subject) = agreed();
$t->redis->kill;
is($v->choose('withdraw')->status, 503, 'a withdrawal on its way');
unlink glob $t->dir . '/redis/appendonlydir/*';
$t->redis->start;
ok(wait_for(sub { $v->get('/'); status()->{redis}{connected} && counter('ledger_missing') }, 20), 'Redis is back, empty');
wait_for(sub { $v->get('/'); 0 }, 6);
is(consent($v), '<>', 'it still holds');
is($t->redis->command('EXISTS', "privacy:{example:$subject}:ledger"), 0, 'no record stands alone');
$v->get('/privacy/choices');
is($v->choose('reject_all')->status, 303, 'a new choice is recorded');
is(records(subject($v)), 1, 'on a new ledger');

# A ledger that was tampered with

$v = visitor();
$v->get('/');
$v->choose('accept_all');
$subject = subject($v);
my $record = $t->redis->command('HGET', "privacy:{example:$subject}:ledger", 1);
substr($record, -1) ^= "\x01";
$t->redis->command('HSET', "privacy:{example:$subject}:ledger", 1, $record);
$t->allow(qr/does not verify/);
ok(wait_for(sub { consent($v) eq '<>' }, 20), 'a changed record grants nothing once it was looked up');
cmp_ok(counter('ledger_damaged'), '>', 0, 'and is counted');

# What the status page says of all that

my $status = status();
ok($status->{redis}{configured}, 'status: configured');
ok($status->{redis}{connected}, 'status: connected');
cmp_ok($status->{redis}{reconnects}, '>', 0, 'status: reconnects');
cmp_ok(counter('choice_unavailable'), '>=', 12, 'status: choices that could not be saved');
cmp_ok(counter('pending_recorded'), '>=', 8, 'status: refusals recorded later');

$t->finish;
