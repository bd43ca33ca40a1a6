#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What is in the ledger: in words, proven, and named by position where it does not hold; to the node as to privacyctl.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('ledger');
$t->redis->start;
$t->upstream(sub { return { headers => ['Content-Type' => 'text/html'], body => '<!doctype html><body>hi</body>' } });
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    privacy_lease 1s grace=10s;
    privacy_proof_days 10;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "<$privacy_subject>" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;

my $network = 0;
sub visitor { return $t->visitor(headers => ['X-Real-IP' => '10.1.' . ++$network . '.1']) }
sub subject { my ($v) = @_; return $v->get('/')->header('X-Subject') =~ /^<(.*)>$/ ? $1 : '' }
sub consent { my ($v) = @_; return $v->get('/')->header('X-Consent') }
sub key     { return "privacy:{example:$_[0]}:ledger" }

sub ledger {
    my ($subject, @options) = @_;
    my $keys = $t->keys_dir;
    return $t->ctl('ledger', $t->ctl_site, '--keys', "$keys/keys", '--public', "$keys/example.pub", @options, $subject);
}

# accept all, a choice of one's own, withdraw, accept all: four records
sub four {
    my $v = visitor();
    $v->get('/');
    $v->choose('accept_all');
    for (['custom', purpose => ['analytics']], ['withdraw'], ['accept_all']) {
        $v->get('/privacy/choices');
        $v->choose(@$_);
    }
    my $subject = subject($v);
    return ($v, $subject, map { $t->redis->command('HGET', key($subject), $_) } 1 .. 4);
}

my ($v, $subject, @records) = four();
is($t->redis->command('HLEN', key($subject)), 4, 'four choices, four records');
is($t->redis->command('OBJECT', 'ENCODING', key($subject)), 'listpack', 'in the small encoding');
cmp_ok(length $_, '<=', 64, 'packed') for @records;
my $ttl = $t->redis->command('TTL', key($subject));
ok($ttl > 190 * 86400 - 60 && $ttl <= 190 * 86400, 'kept for the choice\'s term and the proof period, no longer');

my ($status, $out) = ledger($subject);
is($status, 0, 'privacyctl: every record holds');
like($out, qr/analytics/, 'in words');
like($out, qr/\b$_\b/, "position $_") for 1 .. 4;
my ($json) = map { json($_->[1]) } [ledger($subject, '--json')];
is(scalar @{$json->{records}}, 4, 'as JSON');
is_deeply([map { $_->{how} } @{$json->{records}}], ['accept_all', 'custom', 'withdraw', 'accept_all'], 'how each was made');
my $forms = $t->redis->command('KEYS', 'privacy:example:form:*');
is(scalar @$forms, 2, 'two forms were shown: the banner and the choices page');

# What does not hold is named by its position, and grants nothing here

my @damage = (
    ['changed', 2, sub { my ($key, @r) = @_; substr($r[1], 8, 1) ^= "\x01"; $t->redis->command('HSET', $key, 2, $r[1]) }],
    ['cut short', 3, sub { my ($key, @r) = @_; $t->redis->command('HSET', $key, 3, substr $r[2], 0, -1) }],
    ['swapped', 2, sub { my ($key, @r) = @_; $t->redis->command('HSET', $key, 2, $r[2], 3, $r[1]) }],
    ['missing', 2, sub { my ($key) = @_; $t->redis->command('HDEL', $key, 2) }],
    ['moved', 5, sub { my ($key, @r) = @_; $t->redis->command('HSET', $key, 5, $r[3]) }],
    ['of another subject', 4, sub { my ($key) = @_; $t->redis->command('HSET', $key, 4, $records[3]) }],
);
$t->allow(qr/does not verify/);

for (@damage) {
    my ($what, $position, $harm) = @$_;
    my ($v, $subject, @r) = four();
    is(consent($v), '<analytics,marketing>', "$what: granted before");
    $harm->(key($subject), @r);
    my ($status, $out) = ledger($subject);
    is($status, 1, "$what: privacyctl finds it");
    my $named = qr/(?:position|record)\s+$position\b|^\s*$position\b.*(?:changed|missing|not|wrong|damaged)/im;
    like($out, $named, "$what: at $position") or diag $out;

    # A node reads what is newer than what it knows; what lies before was verified when it was new.
    next if $what !~ /another|moved|cut short|changed/ || $position < 4;
    ok(wait_for(sub { consent($v) eq '<>' }, 10), "$what: it grants nothing any more");
}

# A long one: a browser that was away since its first choice finds the newest state

$v = visitor();
$v->get('/');
$v->choose('accept_all');
$subject = subject($v);
my $old = $t->visitor;
%{$old->jar} = %{$v->jar};
for my $i (1 .. 45) {
    $v->{headers} = ['X-Real-IP' => "10.7.$i.1"];
    $v->get('/privacy/choices');
    $v->choose($i % 2 ? 'reject_all' : 'accept_all');
}
is($t->redis->command('HLEN', key($subject)), 46, 'forty-six records');
is(consent($v), '<>', 'the last one refused');
is((ledger($subject))[0], 0, 'the chain holds');
my $first = $old->consent;
is(consent($old), '<>', 'another browser that has only the first one, too');

$t->stop;
$t->start;
$old->jar->{privacy} = $first;
ok(wait_for(sub { consent($old) eq '<>' }, 8), 'and on a node that has forgotten all, past the lease');
is(subject($old), $subject, 'as the same subject');

# Another ledger key signs; what the old one signed still verifies

($status, $out) = $t->ctl('keygen', '--rotate', 'ledger', $t->keys_dir . '/keys');
is($status, 0, 'another ledger key') or diag $out;
$t->reload;
is((ledger($subject))[0], 0, 'the old records verify');
is(consent($v), '<>', 'to the node, too');
$v->{headers} = ['X-Real-IP' => '10.8.1.1'];
$v->get('/privacy/choices');
is($v->choose('accept_all')->status, 303, 'a further choice');
is($t->redis->command('HLEN', key($subject)), 47, 'goes on top of them');
is((ledger($subject))[0], 0, 'and the chain holds across the keys');

$t->finish;
