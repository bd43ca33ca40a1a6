#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The figures of "Sizing" in docs/operations.md, measured again on what nginx wrote: each has to be within a tenth, but
# for those of time, which depend on the machine. SIZING_PRINT=1 says what was measured.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Socket qw(SOCK_STREAM);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $many = 100_000;
my $t = Test::Privacy->new('sizing');
my $redis = $t->redis;
my $site = $t->site;
my $dir = $t->dir;
my %measured;

$redis->start('appendfsync everysec', 'auto-aof-rewrite-percentage 0');
my ($major) = $redis->command('INFO', 'server') =~ /^redis_version:(\d+\.\d+)/m;
$t->upstream(sub {
    my ($request) = @_;
    my ($session) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => ['Content-Type' => 'text/html', defined $session ? ('X-Privacy-User' => $session) : ()],
        body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});
$t->publish($t->bundle);
# what nginx asks of settings, now and then, is answered at length: it is no part of any choice
$redis->command('ACL', 'SETUSER', 'sizing', 'on', '>sizing', '~*', '&*', '+@all', '-config', '-info');
$t->config(site_conf(<<'CONF', http => <<'HTTP'), REDIS => $redis->url . '?user=sizing&password=sizing');
    add_header X-Subject "$privacy_subject" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
    server {
        listen %%LISTENsoon%%;
        privacy enforce;
        privacy_site %%SITE%%;
        privacy_lease 1s grace=1h;
        location / { proxy_pass %%UPSTREAM%%; }
        location /privacy/ { privacy_center; }
    }
HTTP
$t->start;

my $network = 0;
sub visitor { return $t->visitor(headers => ['X-Real-IP' => '10.' . int(++$network / 200) . '.' . $network % 200 . '.1']) }
sub memory { my ($key) = @_; return $redis->command('MEMORY', 'USAGE', $key, 'SAMPLES', 0) }
sub info { my ($section, $name) = @_; return $redis->command('INFO', $section) =~ /^$name:([\d.]+)/m ? $1 : die $name }
sub status { return json($t->get('/status')->body) }

# Choices, as visitors make them: what each costs

my @visitors = map { my $v = visitor(); $v->get('/'); $v } 1 .. 200;
is_deeply($redis->command('KEYS', 'privacy:{*'), [], 'who has not chosen is nowhere');
$_->choose('accept_all')->status == 303 or die 'no choice' for @visitors[0 .. 9];
my %asked = counted();
my %before = counted();
$_->choose($network++ % 3 ? 'accept_all' : 'reject_all')->status == 303 or die 'no choice' for @visitors[10 .. 199];
my %after = counted();
$measured{"of a choice: $_"} = ($after{$_} - $before{$_} - ($before{$_} - $asked{$_})) / 190 for keys %before;
my $status = status();
$measured{'of the zone: an active subject'} =
    ($status->{node}{zone_size} - $status->{node}{zone_free}) / $status->{sites}[0]{leases};
$measured{'of the zone: its part for subjects'} = $status->{node}{zone_size} / (4 * 1024 * 1024);

# Pages within the lease

%asked = counted();
$_->get('/') for @visitors;
%after = counted();
is($after{commands}, $asked{commands}, 'pages cost Redis nothing');

# Looking up what is known already, when its lease is over

sleep 2.1;
$_->{peer} = $t->listen('soon') for @visitors;
%asked = counted();
%before = counted();
my $looked = status()->{sites}[0]{counters}{lease_refreshed};
$_->get('/') for @visitors;
ok(wait_for(sub { status()->{sites}[0]{counters}{lease_refreshed} >= $looked + 200 }, 20), 'each is looked up');
%after = counted();
$measured{"of a look-up: $_"} = ($after{$_} - $before{$_} - ($before{$_} - $asked{$_})) / 200
    for grep { !/file/ } keys %before;

# A ledger by its length

my $v = visitor();
$v->get('/');
$v->choose('accept_all');
my $subject = do { $v->get('/'); $v->page->header('X-Subject') };
my $ledger = "privacy:{$site:$subject}:ledger";
my %length = (1 => memory($ledger));
for my $n (2 .. 20) {
    $v->get('/privacy/choices');
    $v->choose($n % 2 ? 'accept_all' : 'withdraw')->status == 303 or die "choice $n";
    $length{$n} = memory($ledger);
}
is($redis->command('OBJECT', 'ENCODING', $ledger), 'listpack', 'twenty records are in the small encoding');
$measured{'a further record'} = ($length{20} - $length{1}) / 19;
my @records = map { $redis->command('HGET', $_, 1) } @{$redis->command('KEYS', 'privacy:{*:ledger')};
$measured{'a record, packed'} = average(map { length } @records);

# What is there once: a version, the forms that were shown, a notice, a list

my ($bundle) = @{$redis->command('KEYS', 'privacy:*:bundle:*')};
my @forms = @{$redis->command('KEYS', 'privacy:*:form:*')};
$measured{'a form'} = average(map { memory($_) } @forms);
note(scalar(@forms) . ' forms, a version of ' . memory($bundle) . ' bytes');
spew("$dir/notice.json", JSON::PP->new->utf8->encode({ kind => 'announcement', texts => {
    map { $_ => { title => 'About us', summary => 'What is said. ' x 20 } } qw(en zh-CN) } }));
my ($failed, $out) = $t->ctl('notice', 'send', "$dir/notice.json", '--all', $t->ctl_site, '--key',
    $t->keys_dir . "/$site.key", '--yes');
is($failed, 0, 'a notice') or diag $out;

# Users: met, shown the notice, answering it

my @users = map { my $user = visitor(); $user->jar->{sessionid} = "user$_"; $user->get('/'); $user } 1 .. 20;
for my $user (@users) {
    wait_for(sub { $user->get('/')->body =~ /data-notice="n1"/ }, 20) or die 'no bar';
    my %form = $user->form;
    $user->post('/privacy/notices/n1/ack', { %form, answer => 'acknowledge' })->status == 303 or die 'no answer';
}
my @marks = @{$redis->command('KEYS', 'privacy:{*:notices')};
is(scalar @marks, 20, 'users with marks');
$measured{'marks of one notice'} = average(map { memory($_) } @marks);
my %marks = @{$redis->command('HGETALL', $marks[0])};
$redis->command('HSET', $marks[0], map { my $n = $_; map { s/n1/"n$n"/er, $marks{$_} } keys %marks } 2 .. 11);
$measured{'marks of a further notice'} = (memory($marks[0]) - $measured{'marks of one notice'}) / 10;

# Many subjects with one such record each: memory with all that Redis needs beside, files, and a backup

$t->stop;
my $begin;
my @words = ('', 'one record', 'two records');
my ($doubled, %took);
my $used = info('memory', 'used_memory');
for my $position (1, 2) {
    fill(sub {
        my ($i, $name) = @_;
        my $key = "privacy:{$site:$name}:ledger";
        return (['HSETNX', $key, $position, $records[($i + 7 * $position) % @records]], ['EXPIRE', $key, 110160000]);
    });
    $measured{"a subject with $words[$position]"} = (info('memory', 'used_memory') - $used) / $many;
    $doubled //= doubled();
    $redis->command('BGREWRITEAOF');
    wait_for(sub {
        return info('persistence', 'aof_rewrite_in_progress') == 0 && info('persistence', 'aof_rewrite_scheduled') == 0;
    }, 60) or die 'no rewrite';
    $measured{"a subject with $words[$position], in a rewritten file"} = info('persistence', 'aof_base_size') / $many;
    $begin = cpu();
    unlink "$dir/backup";
    ($failed, $out) = $t->ctl('backup', $t->ctl_site, '--output', "$dir/backup");
    is($failed, 0, 'a backup') or diag $out;
    $measured{"a subject with $words[$position], in a backup"} = (-s "$dir/backup") / $many;
    $took{'back up'} = cpu() - $begin;
}
$begin = cpu();
($failed, $out) = $t->ctl('verify-backup', "$dir/backup", '--keys', $t->keys_dir . '/keys');
$took{verify} = cpu() - $begin;
$redis->stop;
$redis->start('appendfsync everysec', 'auto-aof-rewrite-percentage 0');
$took{start} = redis_cpu();

$used = info('memory', 'used_memory');
fill(sub {
    my ($i, $name, $bytes) = @_;
    return (map { ['HSETNX', sprintf("privacy:$site:users:%02x", ord $_), $_, time] } $bytes, scalar reverse $bytes);
});
$measured{'a user in the index'} = (info('memory', 'used_memory') - $used) / (2 * $many);
$used = info('memory', 'used_memory');
fill(sub { my ($i, $name, $bytes) = @_; return (['SADD', "privacy:$site:audience:" . '0' x 64, $bytes]) });
$measured{'a user on a list'} = (info('memory', 'used_memory') - $used) / $many;

# And so it stands in the docs

my ($section) = slurp($t->root . '/docs/operations.md') =~ /^## Sizing\n(.*?)(?=^## |\z)/ms;
my %said = map { /^\| ([^|]+?) \| ([\d.]+) \|/ ? ($1 => $2) : () } split /\n/, ($section // '') =~ tr/,//dr;
for my $what (sort keys %measured) {
    diag(sprintf '| %s | %.4g |', $what, $measured{$what}) if $ENV{SIZING_PRINT};
    my $name = $what =~ tr/,//dr;
    next if !ok(defined $said{$name}, "$what: stands in the docs");
    SKIP: {
        skip "measured on 7.0, this is $major", 1 if $major ne '7.0';
        my $most = $what =~ /CPU/ ? 3 : 0.1;
        cmp_ok(abs($measured{$what} - $said{$name}), '<=', $most * $said{$name}, '... as measured')
            or diag("said $said{$name}, measured $measured{$what}");
    }
}
my ($more) = $section =~ /just after they doubled, it is ([\d.]+) bytes a\s+subject more/;
cmp_ok(abs($doubled - $more), '<', 1, 'tables that just doubled') or diag $doubled;
my %seconds;
@seconds{'back up', 'verify', 'start'} =
    $section =~ /took ([\d.]+) s to back up, ([\d.]+) s to verify, and Redis ([\d.]+) s/;
for my $what (sort keys %took) {
    diag(sprintf '%s: %.2f s of the processor', $what, $took{$what}) if $ENV{SIZING_PRINT};
    cmp_ok($took{$what}, '<', 20 * $seconds{$what}, "to $what takes about as long as is said, on whatever machine");
}
my %names = map { tr/,//dr => 1 } keys %measured;
is_deeply([grep { !$names{$_} } sort keys %said], [], 'nothing else does');

$t->finish;


# What a subject needs more when Redis' tables, of keys and of their expiry, have just doubled: a pointer for each place.
sub doubled {
    my $more = 0;
    my @tables = $redis->command('DEBUG', 'HTSTATS', 0) =~ /table size: (\d+)\r?\n\s*number of elements: (\d+)/g;
    while (my ($size, $elements) = splice @tables, 0, 2) {
        $more += 8 * (2 - $size / $elements) if $elements > $many / 2;
    }
    return $more;
}


# What Redis, and the programs that ended, had of the processor: what others have meanwhile takes no time of it.
sub redis_cpu { return info('cpu', 'used_cpu_user') + info('cpu', 'used_cpu_sys') }
sub cpu { my (undef, undef, $user, $system) = times; return $user + $system + redis_cpu() }


sub average { my $sum = 0; $sum += $_ for @_; return $sum / @_ }


# What Redis has been through so far: commands of choices, bytes, microseconds of its CPU.
sub counted {
    my @lines = split /\r?\n/, $redis->command('INFO', 'commandstats');
    my %calls = map { /^cmdstat_(\w+):calls=(\d+)/ ? ($1 => $2) : () } @lines;
    my $commands = 0;
    $commands += $calls{$_} // 0 for qw(multi exec hsetnx expire set hlen hmget publish);
    return (commands => $commands,
        'bytes of the append-only file' => info('persistence', 'aof_current_size'),
        'bytes to Redis' => info('stats', 'total_net_input_bytes'),
        'bytes from Redis' => info('stats', 'total_net_output_bytes'),
        "microseconds of Redis' CPU" => 1e6 * redis_cpu());
}


# $many subjects, sent in batches: the commands that make one.
sub fill {
    my ($make) = @_;

    my $socket = IO::Socket::UNIX->new(Peer => $redis->socket, Type => SOCK_STREAM) or die $!;
    srand 1;
    for (my $done = 0; $done < $many; $done += 1000) {
        my ($commands, $n) = ('', 0);
        for my $i ($done .. $done + 999) {
            my $bytes = pack 'N4', map { int rand 2 ** 32 } 1 .. 4;
            (my $name = encode_base64($bytes, '')) =~ tr{+/=}{-_}d;
            for my $command ($make->($i, $name, $bytes)) {
                $commands .= '*' . @$command . "\r\n" . join '', map { '$' . length($_) . "\r\n$_\r\n" } @$command;
                $n++;
            }
        }
        print {$socket} $commands;
        $socket->flush;
        <$socket> for 1 .. $n;
    }
}
