#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Devices of one visitor choose at the same moment, on two nodes with one Redis, round after round: while all is well,
# with states past their grace, while Redis is held up, and while it is killed and started again. Whatever a device
# was told is saved stands in the one ledger as a record that says exactly this, or the ledger said the same already;
# and nothing stands there that nobody chose. RACE_SECONDS=20 by default; RACE_SEED repeats a run's choices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{RACE_SECONDS} || 20;
my $seed = $ENV{RACE_SEED} || time ^ $$;
srand $seed;
note("RACE_SEED=$seed");

my @nodes = map { Test::Privacy->new("race-$_", workers => 2) } 'a', 'b';
my $redis = $nodes[0]->redis;
$redis->start;
$nodes[0]->publish($nodes[0]->bundle);

system('cp', '-a', $nodes[0]->keys_dir, $nodes[1]->dir . '/keys') == 0 or die 'no keys for the second node';
$_->config(site_conf(<<'CONF'), REDIS => $redis->url) for @nodes;
    privacy_lease 1s grace=1s;
    add_header X-Subject "$privacy_subject" always;
    add_header X-Version "$privacy_version" always;
    location / { return 200 hello; }
CONF
$_->start for @nodes;
ok(wait_for(sub { $nodes[1]->get('/')->header('X-Version') }), 'two nodes have the policy');

# Who sends too many choices from one network is told to slow down: each device has a network of its own

my $network = 0;
sub device {
    my ($jar) = @_;
    $network++;
    my $device = $nodes[rand @nodes]->visitor(headers => ['X-Real-IP' => join '.', 10, $network >> 8, $network & 255, 1]);
    %{$device->jar} = %$jar if $jar;
    return $device;
}

# All say no, and the ledger has it: where each round begins

my ($jar, $subject);
sub begin {
    my ($v, $last);
    my $done = wait_for(sub {
        $v = device($jar);
        $v->get('/privacy/choices');
        my %form = $v->form;
        return 0 if !$form{token};
        $last = $v->choose('reject_all')->status;
        %$jar = %{$v->jar} if $jar;
        return $last == 303;
    }, 20);
    die "no round can begin: $last" if !$done;
    $jar = { %{$v->jar} };
    $subject //= $v->get('/')->header('X-Subject');
    return records();
}

my $proven = 0;
sub records {
    my ($node) = @nodes;
    my ($status, $out) = $node->ctl('ledger', $node->ctl_site, '--keys', $node->keys_dir . '/keys',
        '--public', $node->keys_dir . '/example.pub', '--json', $subject);
    my $ledger = eval { json($out) } or die "privacyctl ledger: $out";
    $ledger->{holds} or die "the chain does not hold: $out";
    $proven++;
    return map { "$_->{how} " . join ',', sort @{$_->{granted}} } @{$ledger->{records}};
}

# What the devices choose: sets that differ from each other and from where the round begins, or some that are the same

my @sets = (['analytics'], ['marketing'], ['profile'], ['analytics', 'marketing'], ['analytics', 'profile'],
    ['marketing', 'profile'], ['analytics', 'marketing', 'profile']);
sub choices {
    my ($n, $same) = @_;
    my @all = sort { rand() <=> .5 } @sets;
    return map { $all[$same ? rand 2 : $_] } 0 .. $n - 1;
}

# All requests are on their way before the first answer is read

sub race {
    my ($fault, $pause, @chosen) = @_;

    sleep $pause;
    my @devices = map { device($jar) } @chosen;
    $_->get('/privacy/choices') for @devices;
    sleep $pause if rand 2 < 1;

    my @sent = map {
        my ($device, $set) = ($devices[$_], $chosen[$_]);
        my %form = $device->form;
        my $text = Test::Privacy::Client::form(%form, choice => 'custom', purpose => $set);
        my $client = Test::Privacy::Client->new(peer => $device->{peer});
        my $cookies = join '; ', map { "$_=$device->{jar}{$_}" } sort keys %{$device->jar};
        [$device, $client, Test::Privacy::Client::_format($client, 'POST', '/privacy/choices', body => $text, close => 1,
            headers => [@{$device->{headers}}, Cookie => $cookies, 'Sec-Fetch-Site' => 'same-origin',
                'Content-Type' => 'application/x-www-form-urlencoded'])];
    } 0 .. $#chosen;

    $fault->{before}->() if $fault->{before};
    $_->[1]->write($_->[2]) for @sent;
    $fault->{during}->() if $fault->{during};
    return map {
        my ($device, $client) = @$_;
        my $r = $client->read('POST', 15);
        $device->_keep($_) for $r->headers('Set-Cookie');
        $r->status;
    } @sent;
}

# Holds a round against the ledger; what is wrong, in words

sub wrong {
    my ($before, $after, $chosen, $answers) = @_;

    my @new = @$after[@$before .. $#$after];
    my (%records, %saved, %unknown, @wrong);
    $records{$_}++ for @new;
    for my $i (0 .. $#$chosen) {
        my $choice = 'custom ' . join ',', sort @{$chosen->[$i]};
        $saved{$choice}++ if $answers->[$i] == 303;
        $unknown{$choice}++ if $answers->[$i] == 503;
        push @wrong, "$choice was answered $answers->[$i]" if $answers->[$i] !~ /^(?:303|409|503)$/;
    }
    push @wrong, 'what stood there is not there any more' if "@$before" ne "@$after[0 .. $#$before]";
    for my $choice (keys %saved) {
        # of several that say the same, the later ones may have found it said
        push @wrong, "$choice was said to be saved" if !$records{$choice};
    }
    for my $record (keys %records) {
        push @wrong, "$record: too many" if $records{$record} > ($saved{$record} // 0) + ($unknown{$record} // 0);
    }
    my $distinct = !grep { $_ > 1 } values %saved;
    my $count = grep { $_ == 303 } @$answers;
    push @wrong, "$count were saved" if $distinct && grep { !$records{$_} } keys %saved;
    my @ledgers = @{$redis->command('KEYS', 'privacy:{example:*}:ledger')};
    push @wrong, 'ledgers: ' . @ledgers if @ledgers != 1;

    return if !@wrong;
    return join "\n", @wrong, "answers: @$answers", 'choices: ' . join(' | ', map { join ',', @$_ } @$chosen),
        "records since:", @new;
}

my %answers;
sub rounds {
    my ($name, $share, %how) = @_;

    my ($n, $failed, %seen) = (0);
    my $until = time + $seconds * $share;
    while (!$n || (time < $until && !$failed)) {
        my @before = begin();
        my @chosen = choices(4, $how{same});
        my @answered = race(\%how, $how{pause} || 0, @chosen);
        $how{after}->() if $how{after};
        # what nobody waits for any more has arrived by then, or never will
        sleep 2.2 if grep { $_ == 503 } @answered;
        $failed = wrong(\@before, [records()], \@chosen, \@answered);
        $seen{$_}++, $answers{$_}++ for @answered;
        $n++;
    }
    ok(!$failed, "$name: what was said to be saved is on the ledger") or diag("round $n\n$failed");
    note("$n rounds; " . join ', ', map { "$_: $seen{$_}" } sort keys %seen);
}

rounds('different choices', .3);
rounds('choices some of which are the same', .1, same => 1);
rounds('states past their grace', .2, pause => 2.1);
rounds('Redis held up for a moment', .1, before => sub { $redis->command('CLIENT', 'PAUSE', int 20 + rand 300) });
rounds('Redis stopped for longer than anybody waits', .1, before => sub { $redis->pause }, after => sub { $redis->resume });
rounds('Redis killed and started again', .2, during => sub {
    # at a moment of which nobody knows what was written by then
    sleep rand .012;
    $redis->kill;
    $redis->start;
});

cmp_ok($answers{303}, '>', 0, 'choices were saved');
note("$proven times the whole chain was proven");

$nodes[1]->stop;
is_deeply([$nodes[1]->problems], [], 'nothing alarming in the logs of the second node');
$nodes[1]{finished} = $nodes[1]{clean} = 1;
$nodes[0]->finish;
