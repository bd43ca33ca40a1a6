#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Node keys of two nodes are rotated as docs/operations.md says, with the file on one node, on both, and the other way
# round: at no moment is anybody asked again, or a form refused. At once, they are; and that passes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('rotation', workers => 2);
my $b = Test::Privacy->new('rotation-b', workers => 2);
my @nodes = ($t, $b);
my $docs = slurp($t->root . '/docs/operations.md');
my ($section) = $docs =~ /^## Keys\n(.*?)^## /ms;
my %commands;
while ($section =~ /^privacyctl keygen --(next|rotate) (\w+)/mg) {
    push @{$commands{$1}}, $2;
}
is_deeply(\%commands, { map { $_ => [qw(cookie form ledger)] } qw(next rotate) },
    'the docs rotate three kinds, in two steps');
like($section, qr/--next ledger.*-s reload.*--rotate cookie.*-s reload/s, '... with a reload between them');

my $config = site_conf(<<'CONF');
    privacy_lease 1s grace=1h;
    add_header X-Consent "<$privacy_consent>" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
    location = /privacy-status { privacy_status; }
CONF
$t->redis->start;
$t->publish($t->bundle);
system('cp', '-a', $t->keys_dir, $b->dir . '/keys') == 0 or die 'no keys for the second node';
$b->{published} = 1;
$t->config($config);
$b->config($config, REDIS => $t->redis->url);
$_->start for @nodes;

sub file { return $_[0]->dir . '/keys/keys' }
sub counter { my ($node, $name) = @_; return json($node->get('/privacy-status')->body)->{sites}[0]{counters}{$name} }
sub signs { my ($node, $kind) = @_; return slurp(file($node)) =~ /^$kind +(\w\w)/m ? $1 : '' }

# Who opens a form on one node sends it to the other, and goes on with what that one signed. Whoever chose at whatever
# moment goes on at each later one; so does a form.

my ($network, $moments, @visitors, @open) = (0, 0);
sub on { my ($v, $node) = @_; $v->{peer} = $node->listen; return $v }
sub opened {
    my ($node) = @_;
    my $v = on($t->visitor(headers => ['X-Real-IP' => '10.9.' . ++$network . '.1']), $node);
    $v->get('/privacy/choices');
    return $v;
}
sub holds {
    my ($moment) = @_;

    my @sent = (@open, map { [opened($nodes[$_]), $nodes[1 - $_]] } 0, 1);
    @open = map { [opened($nodes[$_]), $nodes[1 - $_]] } 0, 1;
    my @refused = grep { $_ != 303 } map { on(@$_)->choose('accept_all')->status } @sent;
    is_deeply(\@refused, [], "$moment: no form is refused");
    push @visitors, map { $_->[0] } @sent;

    # past the lease, the node that somebody comes to first looks their ledger up; half of them come to either
    my %looked = map { $_ => counter($nodes[$_], 'lease_refreshed') } 0, 1;
    sleep 2.1;
    $moments++;
    my $asked = 0;
    for my $turn (0, 1) {
        for my $i (0 .. $#visitors) {
            my $v = on($visitors[$i], $nodes[($i + $moments + $turn) % 2]);
            $asked += grep { $v->get('/')->header('X-Consent') ne '<analytics,marketing>' } 1, 2;
        }
    }
    is($asked, 0, "$moment: none of " . @visitors . ' is asked again, on neither node');
    ok(wait_for(sub { counter($nodes[$_], 'lease_refreshed') > $looked{$_} }, 20), '... where ledgers were looked up')
        for 0, 1;
    for my $node (@nodes) {
        is_deeply([map { counter($node, $_) } qw(cookies_invalid ledger_damaged ledger_missing choice_refused)],
            [0, 0, 0, 0], '... and all of it verifies');
    }
    return;
}

sub step {
    my ($way, $first, $second, $said) = @_;

    for my $kind (@{$commands{$way}}) {
        my ($status, $out) = $t->ctl('keygen', "--$way", $kind, file($first));
        is($status, 0, "keygen --$way $kind") or diag $out;
        like($out, $said, '... says what was done');
    }
    ok($first->reload, '... and a reload');
    return if !$second;
    holds("--$way, on one node");
    system('cp', '-p', file($first), file($second)) == 0 or die 'no keys for the other node';
    ok($second->reload, 'the file is brought to the other one');
    holds("--$way, on both");
    return;
}

holds('before');
for my $order ([@nodes], [reverse @nodes]) {
    my %before = map { $_ => signs($t, $_) } qw(cookie form ledger);
    step('next', @$order, qr/ key \w\w verifies from the next reload on, and waits: /);
    is_deeply({ map { $_ => signs($t, $_) } keys %before }, \%before, 'those of before sign still');
    step('rotate', @$order, qr/ key \w\w, which waited, signs from the next reload on$/);
    is_deeply([grep { signs($t, $_) eq $before{$_} } keys %before], [], 'others sign now');
}

# Twice by mistake

my ($status, $out) = $t->ctl('keygen', '--next', 'form', file($t));
is($status, 0, 'a form key waits');
my $keys = slurp(file($t));
($status, $out) = $t->ctl('keygen', '--next', 'form', file($t));
is($status, 0, '... and a second time');
like($out, qr/: form key \w\w waits already, nothing was changed: /, '... says that it does');
is(slurp(file($t)), $keys, '... and changes nothing');
is((stat file($t))[2] & 07777, 0600, '... in a file that nobody else reads');
my ($waiting) = $keys =~ /^(form +\w\w \S+) next$/m;
($status, $out) = $t->ctl('keygen', '--rotate', 'form', file($t));
like(slurp(file($t)), qr/^\Q$waiting\E$/m, 'it is the one that signs afterwards');
is(($t->ctl('keygen', '--next', 'form', '--rotate', 'form', file($t)))[0], 2, 'both at once is neither');
is(($t->ctl('keygen', '--next', 'pseudonym', file($t)))[0], 2, 'a pseudonym key does not rotate');
spew(file($t), slurp(file($b)));
chmod 0600, file($t);

# At once, the other node does not know it until it has the file; what was chosen is there then

step('rotate', $t, undef, qr/: no \w+ key waited: a new one, \w\w, signs from the next reload on$/);
my $early = opened($t);
is($early->choose('accept_all')->status, 303, 'a choice, signed with new keys');
is(on($early, $b)->get('/')->header('X-Consent'), '<>', '... is not known on a node without them');
my $form = opened($t);
is(on($form, $b)->choose('accept_all')->status, 400, '... nor is a form');
cmp_ok(counter($b, 'cookies_invalid'), '>', 0, '... which is counted');
system('cp', '-p', file($t), file($b)) == 0 or die 'no keys for the other node';
ok($b->reload, 'it gets them');
ok(wait_for(sub { on($early, $b)->get('/')->header('X-Consent') eq '<analytics,marketing>' }, 20), '... and all is well');

$b->stop;
is_deeply([$b->problems], [], 'nothing alarming in the logs of the second node');
$b->{finished} = $b->{clean} = 1;
$t->finish;
