#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Every command of privacyctl that speaks to Redis, behind Sentinel and in a cluster, while another server becomes the
# master: what runs long goes on, what waits for a yes is carried out once, and what begins while there is no master
# waits for the next one and says the same as before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Sentinel;
use Test::Privacy::Site;
use Test::Privacy::Terminal;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('ctl_failover');
my ($site, $keys, $dir) = ($t->site, $t->keys_dir, $t->dir);
my $url;                                            # where Redis is now
my @public = ('--site', $site, '--public', "$keys/$site.pub");
my @key = ('--site', $site, '--key', "$keys/$site.key");
my @keys = ('--site', $site, '--keys', "$keys/keys");
my ($status, $out);

sub ctl { ($status, $out) = $t->ctl(@_, '--redis', $url); return $status }
sub ok_ctl { my ($what, @words) = @_; is(ctl(@words), 0, $what) or diag $out; return $out }
sub editorial { return (changes => [{ kind => 'editorial', summary => { 'zh-CN' => 'Words', en => 'Words' } }]) }
sub version { my ($id, @more) = @_; return $t->bundle(version => $id, editorial(), @more) }
sub later { my ($id, $month) = @_; return version($id, effective => "2099-$month-01T00:00:00Z") }
sub published { return map { $_->{version} // $_->{kind} } @{json((Test::Privacy::_run({}, 'sh', '-c',
    'exec "$@" 2>/dev/null', 'sh', $t->{ctl}, 'versions', @public, '--json', '--redis', $url))[1])} }

# One that runs: what it prints can be read from {out}; the other stream goes into a file.
my $begun = 0;
sub begin {
    my ($mode, @words) = @_;

    my $said = "$dir/said." . ++$begun;
    my @command = splice @words, 0, $words[0] eq 'notice' ? 2 : 1;
    my $pid = open(my $pipe, $mode) // die "fork: $!";
    if (!$pid) {
        open STDERR, '>', $said;
        open STDOUT, '>&', \*STDERR if $mode eq '|-';
        exec { $t->{ctl} } $t->{ctl}, @command, '--redis', $url, @words or POSIX::_exit(127);
    }
    return { pid => $pid, pipe => $pipe, said => $said, words => "@command" };
}

# Its end: the exit status; {text} is the rest of what it printed.
sub ended {
    my ($command) = @_;

    $command->{text} = do { local $/; readline $command->{pipe} } if !$command->{in};
    close $command->{pipe};
    return $? >> 8;
}

# A notice
sub notice {
    my ($title) = @_;

    my $text = qq({"title":"$title","summary":"S"});
    spew("$dir/$title.json", qq({"kind":"announcement","texts":{"zh-CN":$text,"en":$text}}));
    return "$dir/$title.json";
}

# Subjects with a ledger each, as good as any for counting: straight to NODE
sub fill {
    my ($node, $n) = @_;

    $node->command('HSET', sprintf("privacy:{$site:filling%014dA}:ledger", $_), 1, 'x' x 300) for 1 .. $n;
}

# A preview that runs, and what it shows
sub preview {
    my $preview = begin('-|', 'preview', later('preview', '12'), @public, '--json');
    $preview->{port} = json(scalar readline $preview->{pipe})->{port};
    return $preview;
}
sub shown {
    my ($preview, $path) = @_;
    return Test::Privacy::Client->new(peer => "127.0.0.1:$preview->{port}")->request('GET', $path, close => 1,
        headers => [Accept => 'text/html', 'Accept-Language' => 'en'])->status;
}

my @archive = ('/privacy/versions/2026-01-01', '/privacy/diff/2026-01-01/second');

# One that asks on a terminal whether it is meant, and is told so when something else was done
sub meant {
    my ($words, $meanwhile) = @_;
    return terminal([$t->{ctl}, @$words, '--redis', $url], [qr/\[y\/N\] $/ => sub { $meanwhile->(); return 'y' }]);
}

# What a notice's count says next
sub counted {
    my ($watch) = @_;
    return json(scalar(readline $watch->{pipe}) // '{}')->{addressed} // 'nothing';
}

# What only reads: behind the words, what it has to say, or that it says the same as before
my ($subject, %before);
my $next = later('next', '12');
sub reads {
    return (
        [['versions', @public], qr/2026-01-01/],
        [['check', $next, @public], qr/in order, 0 errors/],
        [['diff', 'current', $next, @public]],
        [['ledger', @keys, '--', $subject]],
        [['notice', 'list', @public], qr/\bn1\b/],
        [['notice', 'status', 'n1', @public, '--json']],
        [['notice', 'unreached', 'n1', @public]],
        [['notice', 'export', 'n1', @public]],
        [['backup', '--site', $site], qr/"ledger":/],
    );
}
sub same { return join "\n", sort split /\n/, $_[0] }
sub read_all {
    my ($what, @begun) = @_;

    my @reads = reads();
    @begun = map { begin('-|', @{$_->[0]}) } @reads if !@begun;
    for my $i (0 .. $#reads) {
        my $command = $begun[$i];
        is(ended($command), 0, "$what: $command->{words}") or diag slurp($command->{said});
        like($command->{text}, $reads[$i][1], '... says what it has to'), next if $reads[$i][1];
        $before{$command->{words}} //= same($command->{text});
        is(same($command->{text}), $before{$command->{words}}, '... says the same');
    }
    spew("$dir/backup", $begun[-1]{text});
    ($status, $out) = $t->ctl('verify-backup', "$dir/backup", @public, '--keys', "$keys/keys");
    is($status, 0, '... and the backup holds') or diag $out;
    like($out, qr/6 subjects with 7 records: every chain holds/, '... with all of it') or diag $out;
}

# What does not speak to Redis, but to a node that does
sub node_is_well {
    my ($what) = @_;

    my $at = 'http://' . $t->listen;
    ok(wait_for(sub { ($status, $out) = $t->ctl('status', '--url', "$at/status"); $status == 0 }, 20), "$what: status")
        or diag $out;
    like($out, qr/connected/, '... knows the master');
    ($status, $out) = $t->ctl('verify', "$at/privacy/", '--public', "$keys/$site.pub", '--log-only');
    is($status, 0, "$what: verify") or diag $out;
    ($status, $out) = $t->ctl('inventory', '--url', "$at/status");
    is($status, 0, "$what: inventory") or diag $out;
}

$t->upstream(sub {
    my ($session) = (Test::Privacy::Upstream::header($_[0], 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => ['Content-Type' => 'text/html', $session ? ('X-Privacy-User' => $session) : ()],
        body => '<!doctype html><body>hi</body>' };
});
my $config = site_conf(<<'CONF');
    add_header X-Subject "$privacy_subject" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
$t->allow(qr/connect\(\) failed \(111/);

subtest 'Sentinel' => sub {
    my $set = Test::Privacy::Sentinel->new("$dir/set", replicas => 1, address => $t->address,
        lines => ['appendonly no']);
    $_->command('SENTINEL', 'DEBUG', 'info-period', 300, 'ping-period', 200, 'ask-period', 200, 'publish-period', 300)
        for $set->sentinels;
    $url = $set->url;

    # as it is begun with: two versions, six visitors of whom one withdraws and one is a user, a notice to a list

    ok_ctl('publish', 'publish', $t->bundle, @key, '--yes');
    ok_ctl('... and the next', 'publish', version('second'), @key, '--yes');
    ok_ctl('... and one for later', 'publish', later('later', '01'), @key, '--yes');
    $t->config($config, REDIS => $url);
    $t->{published} = 1;
    $t->start;
    for my $n (1 .. 6) {
        my $v = $t->visitor(headers => ['X-Real-IP' => "10.3.$n.1"]);
        $v->jar->{sessionid} = 'alice' if $n == 1;
        $v->get('/') for 1 .. 2;
        is($v->choose('accept_all')->status, 303, 'a choice');
        $subject = $v->get('/')->header('X-Subject');
        $v->get('/privacy/choices') if $n == 6;
        $v->choose('withdraw') if $n == 6;
    }
    spew("$dir/users", "alice\nbob\n");
    ok_ctl('a notice', 'notice', 'send', notice('one'), '--users', "$dir/users", '--keys', "$keys/keys", @key, '--yes');
    read_all('before');
    node_is_well('before');

    # another master by order, while a preview, a count, a backup and a restore are under way, and a publisher and
    # somebody who sends a notice are asked whether they mean it

    my $master = $set->master;
    $master->command('SELECT', 2);
    fill($master, 3000);
    my $full = $url;
    $url = "$full?db=2";
    ok_ctl('a backup of many', 'backup', '--site', $site, '--output', "$dir/many");
    my $backup = begin('-|', 'backup', '--site', $site);
    my $lines = readline $backup->{pipe};
    $url = "$full?db=3";
    my $restore = begin('|-', 'restore', '--site', $site, '-');
    $restore->{in} = 1;
    my @many = split /(?<=\n)/, slurp("$dir/many");
    print {$restore->{pipe}} @many[0 .. 2000];
    $restore->{pipe}->flush;
    $master->command('SELECT', 3);
    ok(wait_for(sub { $master->command('DBSIZE') > 500 }, 20), 'a restore is under way');
    $master->command('SELECT', 0);
    $url = $full;
    my $preview = preview();
    my $watch = begin('-|', 'notice', 'status', 'n1', @public, '--watch', '--interval', 1, '--json');
    is(counted($watch), 2, 'a count is watched');
    is(shown($preview, '/privacy/versions'), 200, 'a preview is looked at');

    my ($new, $asked);
    my $published = meant([publish => later('third', '02'), @key], sub {
        $asked = meant([notice => 'send', notice('two'), '--all', @key], sub { $new = follow($set, $master) });
    });
    isnt($new, $master, 'another one is the master, by order');
    is($published->{status}, 0, '... publish, which was asked before') or diag $published->{text};
    is($asked->{status}, 0, '... notice send, too') or diag $asked->{text};
    is(join(' ', published()), '2026-01-01 second later third', '... it is published, once');
    is(ask($new, 'XLEN', "privacy:$site:notices"), 2, '... and sent, once');
    is(counted($watch), 2, '... notice status --watch goes on') for 1 .. 2;
    is(shown($preview, $_), 200, "... preview shows $_") for @archive;
    $lines .= do { local $/; readline $backup->{pipe} };
    close $backup->{pipe};
    is($? >> 8, 0, '... backup ends well') or diag slurp($backup->{said});
    my %ids = map { $_ => 1 } $lines =~ /"(filling\d+A)"/g;
    is(scalar keys %ids, 3000, '... and has every ledger');
    print {$restore->{pipe}} @many[2001 .. $#many];
    is(ended($restore), 3, '... restore goes on, and asks to be repeated');
    like(slurp($restore->{said}), qr/the one in its place may lack what came last: the same command again/, '... and why');
    $url = "$full?db=3";
    like(ok_ctl('... again', 'restore', '--site', $site, "$dir/many"), qr/^0 items written, 3000 there already/m,
        '... which finds all of it there') or diag $out;
    $url = $full;
    kill 'INT', $_->{pid} for $preview, $watch;
    close $_->{pipe} for $preview, $watch;
    read_all('by order');
    node_is_well('by order');

    # the master dies: everything else begins while there is none

    $set->connected;
    $set->caught_up;
    $new->kill;
    my @begun = map { begin('-|', @{$_->[0]}) } reads();
    my %write = (
        'notice retract' => begin('-|', 'notice', 'retract', 'n2', @key, '--reason', 'No.', '--yes'),
        withdraw => begin('-|', 'withdraw', 'later', @key, '--reason', 'No.', '--yes'),
        restore => begin('-|', 'restore', '--site', $site, "$dir/backup"),
    );
    read_all('it died', @begun);
    is(ended($write{$_}), 0, "it died: $_") or diag slurp($write{$_}{said}) for sort keys %write;
    is($set->master, $master, '... the first is the master again');
    is(join(' ', published()), '2026-01-01 second later third withdrawal', '... withdrawn, once');
    is(ask($master, 'XLEN', "privacy:$site:notices"), 3, '... retracted, once');
    node_is_well('it died');
    $set->again($new);
    wait_for(sub { eval { $new->command('ROLE')->[0] eq 'slave' } }, 30) or die 'it does not come back as a replica';
    $set->connected;

    # the key is handed over, while the master changes by order

    my $handed = meant([rollover => "$dir/next", @key], sub { follow($set, $master) });
    is($handed->{status}, 0, 'rollover, which was asked before') or diag $handed->{text};
    @key = ('--site', $site, '--key', "$dir/next/$site.key");
    ok_ctl('... the new key publishes', 'publish', later('fourth', '03'), @key, '--yes');
    like(ok_ctl('... and all of it holds', 'versions', @public), qr/fourth/, '... by the first one');
    is(scalar(grep { $_ eq 'key' } published()), 1, '... handed over once');
    $t->stop;
    ok_ctl('all of it', 'backup', '--site', $site, '--output', "$dir/all");
    $set->stop;
};

subtest 'Cluster' => sub {
    my $cluster = Test::Privacy::Cluster->new("$dir/cluster", masters => 3, replicas => 1, address => $t->address,
        lines => ['appendonly no']);
    $url = $cluster->url;

    # a restore, while all masters change

    my $restore = begin('|-', 'restore', '--site', $site, '-');
    $restore->{in} = 1;
    my @many = split /(?<=\n)/, slurp("$dir/many");
    print {$restore->{pipe}} @many[0 .. 2000];
    $restore->{pipe}->flush;
    ok(wait_for(sub { my $n = 0; $n += $_->command('DBSIZE') for $cluster->masters; $n > 500 }, 20),
        'a restore is under way');
    my @old = $cluster->masters;
    change($cluster);
    print {$restore->{pipe}} @many[2001 .. $#many];
    like(ended($restore), qr/^[03]$/, 'all masters are other ones: restore goes on') or diag slurp($restore->{said});
    like(ok_ctl('... again', 'restore', '--site', $site, "$dir/many"), qr/3000/, '... which finds all of it there');
    $_->command('FLUSHALL') for $cluster->masters;
    ok_ctl('all that was behind Sentinel', 'restore', '--site', $site, "$dir/all");
    read_all('moved here');

    # all masters change again, while a preview and a count are under way, and who hands the key over is asked

    my $preview = preview();
    my $watch = begin('-|', 'notice', 'status', 'n1', @public, '--watch', '--interval', 1, '--json');
    is(counted($watch), 2, 'a count is watched');
    is(shown($preview, '/privacy/versions'), 200, 'a preview is looked at');
    my $sent;
    my $handed = meant([rollover => "$dir/last", @key], sub {
        $sent = meant([notice => 'send', notice('three'), '--users', "$dir/users", '--keys', "$keys/keys", @key],
            sub { change($cluster) });
    });
    is($handed->{status}, 0, 'all masters are other ones: rollover, which was asked before') or diag $handed->{text};
    is($sent->{status}, 0, '... notice send, too') or diag $sent->{text};
    is(counted($watch), 2, '... notice status --watch goes on') for 1 .. 2;
    is(shown($preview, $_), 200, "... preview shows $_") for @archive;
    kill 'INT', $_->{pid} for $preview, $watch;
    close $_->{pipe} for $preview, $watch;
    @key = ('--site', $site, '--key', "$dir/last/$site.key");
    is(scalar(grep { $_ eq 'key' } published()), 2, '... handed over once');
    read_all('by order');

    # the master dies that has the log, and everything begins while there is none

    my $victim = $cluster->node_of("privacy:$site:policies");
    $victim->kill;
    my @begun = map { begin('-|', @{$_->[0]}) } reads();
    my %write = (
        'notice retract' => begin('-|', 'notice', 'retract', 'n4', @key, '--reason', 'No.', '--yes'),
        withdraw => begin('-|', 'withdraw', 'third', @key, '--reason', 'No.', '--yes'),
        restore => begin('-|', 'restore', '--site', $site, "$dir/all"),
    );
    read_all('it died', @begun);
    is(ended($write{$_}), 0, "it died: $_") or diag slurp($write{$_}{said}) for sort keys %write;
    isnt($cluster->node_of("privacy:$site:policies"), $victim, '... a replica is the master now');
    is(scalar(grep { $_ eq 'withdrawal' } published()), 2, '... withdrawn, once');
    my ($notice) = grep { $_->{id} eq 'n4' } @{json(ok_ctl('... the notices', 'notice', 'list', @public, '--json'))};
    is($notice->{standing}, 'retracted', '... retracted');
    $t->config($config, REDIS => $url);
    $t->start;
    node_is_well('in the cluster');
    $cluster->stop;
};

$t->finish;


# A server that becomes another's replica, or no longer is one, closes all its connections.
sub ask { my ($node, @words) = @_; return eval { $node->command(@words) } // $node->command(@words) }


# Behind Sentinel, the master hands over by order, and follows the next one.
sub follow {
    my ($set, $master) = @_;

    $set->caught_up;
    my $new = $set->failover;
    wait_for(sub { eval { $master->command('ROLE')->[0] eq 'slave' } }, 30) or die 'it stays the master';
    return $new;
}


# All masters hand over to their replicas.
sub change {
    my ($cluster) = @_;

    my @masters = $cluster->masters;
    $cluster->failover($_) for @masters;
    $cluster->ready;
}
