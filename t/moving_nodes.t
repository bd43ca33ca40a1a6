#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# From a single server to a cluster, as docs/operations.md says, with two nodes that are switched one after the other,
# and visitors on both all the while: what was acknowledged is there afterwards, once; what could not be saved was not
# said to be; every page is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('moving', workers => 2);
my $b = Test::Privacy->new('moving-b');
my ($site, $dir, $keys) = ($t->site, $t->dir, $t->keys_dir);
my @nodes = ($t, $b);
$t->redis->start('appendonly no');
my $cluster = Test::Privacy::Cluster->new("$dir/cluster", masters => 3, address => $t->address,
    lines => ['appendonly no']);
my %url = (old => $t->redis->url, new => $cluster->url);
$t->publish($t->bundle);
system('cp', '-a', $keys, $b->dir . '/keys') == 0 or die 'no keys for the second node';
sub configure {
    my ($redis) = @_;
    $_->config(site_conf(<<'CONF'), REDIS => $redis) for @nodes;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "$privacy_subject" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF
}
configure($url{old});
$b->{published} = 1;
$_->start for @nodes;

# Visitors, in a process of their own: each agrees on one node and withdraws on the other, a little later. It writes
# "SUBJECT CHOICE STATUS" for each choice.

my ($stop, $log) = ("$dir/stop", "$dir/choices");
spew($log, '');
my $pid = fork // die $!;
if (!$pid) {
    eval { visitors() };
    print STDERR $@ if $@;
    POSIX::_exit($@ ? 1 : 0);
}
sub choices { return map { [split ' '] } split /\n/, slurp($log) }
sub saved { return grep { $_->[2] eq '303' } choices() }
sub more { my ($n) = @_; my $had = saved(); return wait_for(sub { saved() >= $had + $n }, 60) }
ok(more(20), 'visitors choose');

# The passes as the docs have them, with the addresses that there are here

my ($section) = slurp($t->root . '/docs/operations.md') =~ /^## Moving to a cluster\n(.*?)^## /ms;
my ($first, $last) = map { s/\bprivacyctl\b/$t->{ctl}/gr =~ s/\$OLD\b/'$url{old}'/gr =~ s/\$NEW\b/'$url{new}'/gr }
    $section =~ /^(privacyctl backup .*\|.*)$/mg;
my ($stopping) = $section =~ /^redis-cli -u \S+ (CONFIG SET .*)$/m;
my ($status, $out) = $t->ctl('versions', '--site', $site, '--public', "$keys/$site.pub", '--redis', $url{new});
is($status, 0, 'the cluster answers') or diag $out;

# First pass: while all goes on

sub copied {
    my ($what, $command) = @_;
    my $out = qx({ $command; } 2>&1);
    return is($?, 0, "$what pass") || diag $out;
}
copied('first', $first);
ok(more(10), 'they go on meanwhile');
copied('second', $first);

# Nothing is recorded any more, and nothing is said to be; then all is there

is($t->redis->command(split ' ', $stopping), 'OK', 'the old server takes nothing any more');
ok(wait_for(sub { grep { $_->[2] eq '503' && $_->[1] eq 'withdraw' } choices() }, 30), 'a refusal waits');
ok(wait_for(sub { grep { $_->[2] eq '503' && $_->[1] eq 'accept_all' } choices() }, 30), '... who agrees is told so');
my $frozen = saved();
copied('last', $last);
is(scalar saved(), $frozen, 'nothing was said to be saved since');

# The nodes, one after the other

configure($url{new});
for my $node (@nodes) {
    is(($node->check_config)[0], 0, 'the configuration holds');
    ok($node->reload, 'a node is reloaded');
}
ok(more(20), 'choices are saved again');
spew($stop, '');
waitpid $pid, 0;
is($?, 0, 'every page was served, and no grant came back');
$t->redis->stop;

# Each ledger has what was acknowledged, once, and whatever waited

my %expected;
$expected{$_->[0]}++ for grep { $_->[2] eq '303' || $_->[2] eq 'waited' } choices();
my $waited = grep { $_->[2] eq 'waited' } choices();
cmp_ok($waited, '>', 0, 'refusals had waited, and were recorded in the cluster');
my %found = map { $_ => $cluster->node_of(key($_))->command('HLEN', key($_)) } keys %expected;
is_deeply([grep { $found{$_} != $expected{$_} } sort keys %expected], [], 'every choice is in the cluster, once')
    or diag explain [map { "$_: $found{$_} of $expected{$_}" } grep { $found{$_} != $expected{$_} } keys %expected];
note(scalar(keys %expected) . ' subjects, ' . scalar(grep { $_->[2] eq '503' } choices()) . ' refused meanwhile');
($status, $out) = $t->ctl('backup', '--site', $site, '--redis', $url{new}, '--output', "$dir/after");
is($status, 0, 'a backup of the cluster') or diag $out;
($status, $out) = $t->ctl('verify-backup', "$dir/after", '--site', $site, '--public', "$keys/$site.pub",
    '--keys', "$keys/keys");
is($status, 0, '... holds') or diag $out;
my $subjects = keys %expected;
like($out, qr/^  $subjects subjects with .* every chain holds$/m, '... with every subject') or diag $out;
$cluster->stop;
$b->stop;
is_deeply([$b->problems], [], 'nothing alarming in the logs of the second node');
$b->{finished} = $b->{clean} = 1;
$t->finish;


sub key { return "privacy:{$site:$_[0]}:ledger" }


sub visitors {
    open my $out, '>>', $log or die $!;
    $out->autoflush;
    my $network = 0;
    my $choose = sub {
        my ($v, $node, $how) = @_;
        $v->{peer} = $node->listen;
        $v->{headers} = ['X-Real-IP' => join '.', 10, 20 + int($network / 250), $network++ % 250, 1];
        $v->get('/privacy/choices')->status == 200 or die 'a page was not served';
        my $r = $v->choose($how);
        my $subject = $v->get('/')->header('X-Subject') || '-';
        print {$out} "$subject $how " . $r->status . "\n";
        die "status " . $r->status if $r->status !~ /^(?:303|503)$/;
        return $r->status == 303;
    };

    my (@agreed, @waiting);
    while (!-e $stop) {
        my $v = $t->visitor;
        push @agreed, $v if $choose->($v, $nodes[$network % 2], 'accept_all');
        my $old = @agreed > 5 || !$v->consent ? shift @agreed : undef;
        if ($old && !$choose->($old, $nodes[$network % 2], 'withdraw')) {
            push @waiting, $old;
        }
        sleep 0.02;
    }

    # who withdrew meanwhile comes by again
    for my $v (@waiting) {
        my $until = time + 20;
        while ($v->get('/privacy/choices', Accept => 'application/json')->body !~ /"pending":false/) {
            die 'a refusal is still waiting' if time > $until;
            sleep 0.05;
        }
        $v->get('/')->header('X-Consent') eq '<>' or die 'a grant came back';
        print {$out} $v->page->header('X-Subject') . " withdraw waited\n";
    }
}
