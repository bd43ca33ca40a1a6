#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What the accounts of docs/operations.md need more where there are sentinels, or a cluster: with it choices are saved
# through a failover and while slots are moved; each such rule is used, and nothing else is asked for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Sentinel;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('acl_servers');
my $site = $t->site;
my $keys = $t->keys_dir;
my ($section) = slurp($t->root . '/docs/operations.md') =~ /^## Accounts\n(.*?)(?=^## |\z)/ms;
my %rules;
for my $command (grep { /ACL SETUSER/ } $section =~ /^```sh\n(.*?)^```$/msg) {
    my @words = map { s/^'(.*)'$/$1/r } $command =~ s/.*?ACL SETUSER //sr =~ s/\\\n//gr =~ /('[^']*'|[^\s']+)/g;
    my $name = shift @words;
    $rules{$name} = [map { s/PASSWORD/secret/r } @words];
}
my %more = ('Through Sentinel' => [], 'In a cluster' => [], 'With replicas' => []);
for my $where (keys %more) {
    my ($text) = $section =~ /\*\*\Q$where\E\*\*(.*?)\n\n/s or die "nothing about: $where";
    $more{$where} = [$text =~ /`(\+[\w|]+)`/g];
}
is_deeply(\%more, { 'Through Sentinel' => ['+role'],
    'In a cluster' => ['+cluster|slots', '+asking', '+cluster|nodes'], 'With replicas' => ['+role', '+wait'] },
    'what the docs add');

my $config = site_conf(<<'CONF');
    add_header X-Version "$privacy_version" always;
    add_header X-Subject "$privacy_subject" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF
$t->allow(qr/connect\(\) failed \(111/);

my $network = 0;
sub visitor { return $t->visitor(headers => ['X-Real-IP' => join '.', 10, 7 + (++$network >> 8), $network & 255, 1]) }
sub saved { my $v = visitor(); $v->get('/'); return $v->choose('accept_all')->status == 303 }
# Sentinels close connections of a server whose role they change.
sub admin { my ($node, @words) = @_; return eval { $node->command(@words) } || $node->command(@words) }
sub accounts {
    my ($node, @more) = @_;
    for my $name (grep { $_ ne 'privacy-sentinel' } keys %rules) {
        my @rules = grep { $_ ne '+cluster|nodes' || $name eq 'privacy-backup' } @more;
        push @rules, @{$more{'With replicas'}} if $name =~ /publish|notify|restore/;
        admin($node, 'ACL', 'SETUSER', $name, @{$rules{$name}}, @rules);
    }
}
# Who was refused what, but for what need not be allowed.
sub refused { return grep { !/^(?:config\|get|info)$/ } map { +{@$_}->{object} } map { @{admin($_, 'ACL', 'LOG')} } @_ }
sub status { return json($t->get('/status')->body)->{redis} }

# Is asked for: without it somebody is refused.
sub used {
    my ($rule, $user, $nodes, $provoke) = @_;

    my $command = substr $rule, 1;
    for my $node (@$nodes) {
        admin($node, 'ACL', 'LOG', 'RESET');
        admin($node, 'ACL', 'SETUSER', $user, "-$command");
        admin($node, 'CLIENT', 'KILL', 'USER', $user);
    }
    ok(wait_for(sub { $provoke->() if $provoke; grep { $_ eq $command } refused(@$nodes) }, 20), "$user: $rule is used");
    for my $node (@$nodes) {
        admin($node, 'ACL', 'SETUSER', $user, $rule);
        admin($node, 'ACL', 'LOG', 'RESET');
    }
    ok(wait_for(\&saved, 20), '... and with it choices are saved');
}

# privacyctl with each of its accounts; then without one of the rules, those in UNHEARD are made up for by a warning.
sub privacyctl {
    my ($url, $where, $nodes, $unheard, @without) = @_;

    my $subject = do { my $v = visitor(); $v->get('/'); $v->choose('accept_all'); $v->get('/')->header('X-Subject') };
    my @key = ('--key', "$keys/$site.key");
    my @public = ('--public', "$keys/$site.pub");
    my $backup = $t->dir . "/$where.backup";
    spew($t->dir . '/notice.json', JSON::PP->new->utf8->encode({ kind => 'announcement', texts => {
        map { $_ => { title => "About $where", summary => 'What is said.' } } qw(en zh-CN) } }));
    spew($t->dir . '/users', "alice\n");
    my %commands = (
        publish => [(map { ['publish', $t->bundle(@$_, changes => [{ kind => 'editorial', summary => {
            'zh-CN' => 'x', en => 'x' } }]), @key, '--yes'] } [version => $where],
            [version => "$where-later", effective => '2099-01-01T00:00:00Z']), ['versions', @public]],
        notify => [['notice', 'send', $t->dir . '/notice.json', '--users', $t->dir . '/users', '--keys', "$keys/keys", @key,
            '--yes'], ['notice', 'list', @public]],
        read => [['ledger', $subject, '--keys', "$keys/keys", @public], ['notice', 'status', 'n1', @public]],
        backup => [['backup', '--output', $backup]],
        restore => [['restore', $backup]],
    );
    my $run = sub {
        my ($account, @words) = @_;
        return $t->ctl(@words, '--site', $site, '--redis', $url->("privacy-$account:secret"));
    };
    for my $account (qw(publish notify read backup restore)) {
        for my $command (@{$commands{$account}}) {
            my ($status, $out) = $run->($account, @$command);
            is($status, 0, "privacyctl: $account: $command->[0]") or diag $out;
            unlike($out, qr/replica/, '... replicas have it, where there are any');
        }
    }
    is_deeply([refused(@$nodes)], [], 'nobody was refused anything');
    for my $rule (@$unheard) {
        admin($_, 'ACL', 'SETUSER', 'privacy-publish', $rule =~ s/^\+/-/r) for @$nodes;
        my ($status, $out) = $run->('publish', 'withdraw', "$where-later", '--reason', 'No.', @key, '--yes');
        is($status, 0, "privacyctl: written without $rule") or diag $out;
        like($out, qr/written, but whether a replica of Redis at \S+ has it is not known: .*NOPERM/,
            '... and what is not known') or diag $out;
        admin($_, 'ACL', 'SETUSER', 'privacy-publish', $rule) for @$nodes;
        admin($_, 'ACL', 'LOG', 'RESET') for @$nodes;
    }
    for my $missing (@without) {
        my ($account, $rule) = @$missing;
        unlink $backup if $account eq 'backup';
        admin($_, 'ACL', 'SETUSER', "privacy-$account", $rule =~ s/^\+/-/r) for @$nodes;
        my ($status, $out) = $run->($account, @{$commands{$account}[-1]});
        isnt($status, 0, "privacyctl: $account without $rule");
        like($out, qr/NOPERM/, '... says why') or diag $out;
        admin($_, 'ACL', 'SETUSER', "privacy-$account", $rule) for @$nodes;
    }
}

# The account that needs no password goes, as the docs say: all others sign in anew, and still do what they did.
sub closed {
    my ($set) = @_;

    my ($text) = slurp($t->root . '/docs/operations.md') =~ /^## Closing the default account\n(.*?)(?=^## |\z)/ms;
    for my $command (map { split /\n/ } map { s/\\\n\s*//gr } $text =~ /^```sh\n(.*?)^```$/msg) {
        my @words = map { s/^'(.*)'$/$1/r =~ s/PASSWORD/secret/r =~ s/^mymaster$/$set->name/er } split ' ', $command;
        my @servers = $command =~ / -p 26379 / ? $set->sentinels : $set->nodes;
        splice @words, 0, $command =~ / -p 26379 / ? 3 : 1;
        is_deeply([grep { admin($_, @words) ne 'OK' } @servers], [], "everywhere: @words[0 .. 2]");
    }
    $_->{account} = ['redis-admin', 'secret'] for $set->nodes;
    for my $node ($set->nodes) {
        admin($node, 'ACL', 'LOG', 'RESET');
        admin($node, 'ACL', 'SETUSER', 'default', 'off');
        admin($node, 'CLIENT', 'KILL', 'TYPE', $_, 'SKIPME', 'yes') for qw(replica master pubsub normal);
    }
    my ($old, $new) = ($set->master);
    ok(wait_for(sub { saved() }, 30), 'without the default account choices are saved, and a replica has them');
    ok($new = $set->failover, '... a replica takes over');
    ok(wait_for(sub { admin($old, 'ROLE')->[0] eq 'slave' && admin($old, 'ROLE')->[3] eq 'connected' }, 40),
        '... the old master follows it');
    ok(wait_for(\&saved, 30), '... choices are saved');
    is_deeply([refused($set->nodes)], [], '... and nobody was refused anything');

    admin($old, 'CONFIG', 'SET', 'masterauth', '');
    admin($old, 'CLIENT', 'KILL', 'TYPE', 'master');
    ok(wait_for(sub { admin($new, 'INFO', 'replication') =~ /^connected_slaves:0/m }, 30),
        '... while a replica without an account no longer follows');
    return;
}

subtest 'Sentinel' => sub {
    my $set = Test::Privacy::Sentinel->new($t->dir . '/set', replicas => 1, address => $t->address);
    my $master = $set->master;
    my ($status, $out) = $t->ctl('publish', $t->bundle, '--site', $site, '--key', "$keys/$site.key", '--yes', '--redis',
        "redis://$master->{address}:$master->{port}");
    is($status, 0, 'published') or diag $out;
    my ($replica) = grep { $_ != $master } $set->nodes;
    accounts($master, @{$more{'Through Sentinel'}});
    is($replica->command('ACL', 'GETUSER', 'privacy-nginx'), undef, 'a replica has accounts of its own');
    is(($set->sentinels)[0]->command('ACL', 'GETUSER', 'privacy-nginx'), undef, 'so has a sentinel');
    accounts($replica, @{$more{'Through Sentinel'}});
    $_->command('ACL', 'SETUSER', 'privacy-sentinel', @{$rules{'privacy-sentinel'}}) for $set->sentinels;
    spew($t->dir . '/password', "secret\n");
    $t->config($config, REDIS => $set->url('privacy-nginx:secret') . '?sentinel_user=privacy-sentinel'
        . '&sentinel_password_file=' . $t->dir . '/password');
    $t->start;
    ok(wait_for(sub { $t->get('/')->header('X-Version') }, 20), 'the policy is in force');
    ok(saved(), 'a choice is saved');
    my $new = $set->failover;
    ok(wait_for(sub { status()->{endpoints}[0]{address} eq "$new->{address}:$new->{port}" }, 20), 'a failover is followed');
    ok(wait_for(\&saved, 20), '... and choices are saved there');
    ok(wait_for(sub { @{admin($new, 'ROLE')->[2]} == 1 }, 30), '... and the old master follows the new one');
    my $second = '?sentinel_user=privacy-sentinel&sentinel_password_file=' . $t->dir . '/password';
    privacyctl(sub { $set->url($_[0]) . $second }, 'sentinel', [$set->nodes], ['+wait']);
    is_deeply([refused($set->sentinels)], [], '... nor by a sentinel');
    privacyctl(sub { $set->url($_[0]) . $second }, 'sentinel2', [$set->nodes], [], ['read', '+role']);
    used($_, 'privacy-nginx', [$set->nodes]) for @{$more{'Through Sentinel'}};
    my $cut = sub { $_->command('CLIENT', 'KILL', 'USER', 'privacy-nginx') for $set->nodes };
    used($_, 'privacy-sentinel', [$set->sentinels], $_ eq '+unsubscribe' ? $cut : undef)
        for grep { /^\+/ } @{$rules{'privacy-sentinel'}};
    my ($one) = $set->sentinels;
    like($_->[1], qr/NOPERM/, "a sentinel refuses $_->[0]") for map { my @words = @$_;
        ["@words", eval { $one->command('AUTH', 'privacy-sentinel', 'secret'); $one->command(@words); '' } // $@] }
        ['SENTINEL', 'FAILOVER', 'privacy'], ['SENTINEL', 'MASTERS'], ['ACL', 'LIST'], ['PSUBSCRIBE', '*'];
    $one->command('AUTH', 'default', '');
    closed($set);
    $t->stop;
    $set->stop;
};

subtest 'Cluster' => sub {
    my $cluster = Test::Privacy::Cluster->new($t->dir . '/cluster', masters => 3, replicas => 0, address => $t->address);
    $t->redis->start;
    $t->publish($t->bundle);
    for my $key (@{$t->redis->command('KEYS', '*')}) {
        $cluster->node_of($key)->command('RESTORE', $key, 0, $t->redis->command('DUMP', $key), 'REPLACE');
    }
    accounts($_, @{$more{'In a cluster'}}) for $cluster->nodes;
    $t->config($config, REDIS => $cluster->url('privacy-nginx:secret'));
    $t->start;
    ok(wait_for(sub { $t->get('/')->header('X-Version') }, 20), 'the policy is in force');
    ok(saved(), 'choices are saved') for 1 .. 6;
    privacyctl(sub { $cluster->url($_[0]) }, 'cluster', [$cluster->nodes], ['+role']);
    privacyctl(sub { $cluster->url($_[0]) }, 'cluster2', [$cluster->nodes], [], ['read', '+cluster|slots'],
        ['backup', '+cluster|nodes']);
    my $asked = sub {
        my $v = visitor();
        $v->get('/');
        $v->choose('accept_all');
        my $slot = $cluster->slot("privacy:{$site:" . $v->get('/')->header('X-Subject') . '}:ledger');
        my $from = $cluster->node_of($slot);
        my ($to) = grep { $_ != $from } $cluster->masters;
        $cluster->move($slot, $to, sub {
            my @keys = @{$from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 100)};
            $from->command('MIGRATE', $to->{address}, $to->{port}, '', 0, 5000, 'KEYS', @keys) if @keys;
            $v->get('/privacy/choices');
            $v->choose('withdraw');
        });
    };
    used($_, 'privacy-nginx', [$cluster->nodes], $_ eq '+asking' ? $asked : undef)
        for grep { $_ ne '+cluster|nodes' } @{$more{'In a cluster'}};
    $t->stop;
    $cluster->stop;
};

$t->finish;
