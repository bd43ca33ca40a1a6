#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# docs/operations.md: its commands are run and its configurations tried as they stand there; every field, metric, setting
# and spec that it names exists, and every field and metric that there is, it names; its sums are right.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('operations_docs');
my $b = Test::Privacy->new('operations_docs_b');
my $redis = $t->redis;
my $root = $t->root;
my $dir = $t->dir;
my $docs = slurp("$root/docs/operations.md");
my %section = $docs =~ /^## ([^\n]+)\n(.*?)(?=^## |\z)/msg;

# What is named exists

my %specs = map { $_ => 1 } $docs =~ m{`((?:t|lua-free-tests)/[\w/.-]+\.t)`}g;
cmp_ok(scalar keys %specs, '>=', 15, 'specs are named');
is_deeply([grep { !-e "$root/$_" } sort keys %specs], [], '... and each is there');

for my $row ($section{'When something fails'} =~ /^\| ((?!what fails|:?-).*) \|$/mg) {
    my ($what, @cells) = split / \| /, $row;
    my @shown = $cells[-1] =~ /`([^`]+)`/g;
    ok(@cells == 3 && @shown && !(grep { !-e "$root/$_" } @shown), "shown: $what") or diag $cells[-1];
}

sub anchor { my ($title) = @_; return lc($title =~ s/[^\w -]//gr) =~ tr/ /-/r }
my %anchors = map { anchor($_) => 1 } $docs =~ /^#+ (.*)$/mg;
is_deeply([grep { !$anchors{$_} } $docs =~ /\]\(#([^)]*)\)/g], [], 'links within lead somewhere');
for my $link ($docs =~ /\]\(([\w.]+\.md(?:#[\w-]*)?)\)/g) {
    my ($file, $part) = split /#/, $link;
    my $text = slurp("$root/docs/$file");
    ok($text ne '' && (!defined $part || (grep { anchor($_) eq $part } $text =~ /^#+ (.*)$/mg)), "... and without: $link");
}

# Its sums: the expression in a row with ×, and what comes of it

my $sums = 0;
for my $row (grep { /×|\// } $section{'Capacity plan to a billion subjects'} =~ /^\|(.*)\|$/mg) {
    my (undef, $sum, $result) = map { s/^ +| +$//gr } split /\|/, $row;
    next if $sum !~ /^[\d., ×+\/()]+(?:B|GB|s|)$/;
    my ($number, $unit) = $result =~ m{^([\d.,]+) ?(\S*)$} or next;
    (my $expression = $sum) =~ s/,//g;
    my $of = $expression =~ s/ ?(B|GB|s)$// ? $1 : '';
    $expression =~ s/×/*/g;
    my $value = eval $expression;
    $value /= $unit =~ /^GB/ ? 1e9 : $unit =~ /^MB/ ? 1e6 : 1 if $of eq 'B' || $unit =~ m{^MB/s};
    $number =~ s/,//g;
    cmp_ok(abs($value - $number), '<=', 0.006 * $number + ($number < 30 ? 0.05 : 0), "$sum = $result") or diag($value);
    $sums++;
}
cmp_ok($sums, '>=', 20, 'sums are checked');
my ($users, $index) = $section{'Capacity plan to a billion subjects'} =~ /here of ([\d,]+) users and ([\d.]+) MB/;
is($users =~ tr/,//dr, 1e8 / 256, 'the index of users, in 256 keys');
my ($of_user) = $section{Sizing} =~ /^\| a user in the index \| ([\d.]+) \|/m;
cmp_ok(abs($index - 1e8 / 256 * $of_user / 1e6), '<', 0.1, '... each of so many MB');
my ($zone, $sum) = $section{Sizing} =~ /knows ([\d.,× \/]+) = ([\d,]+) active/;
is(int(eval($zone =~ s/,//gr =~ s/×/*/gr)), $sum =~ s/,//gr, 'the zone of 16m, too');

# A site that has been used

my $site = $t->site;
my $keys = $t->keys_dir;
$redis->start;
$t->publish($t->bundle);
$t->upstream(sub {
    { headers => ['Content-Type' => 'text/html', 'Set-Cookie' => 'sessionid=1', 'Set-Cookie' => '_ga=1'],
        body => '<!doctype html><body>hi</body>' };
});
my $config = site_conf(<<'CONF', http => 'privacy_durability replicas=1;');
    privacy_lease 2s grace=1h;
    add_header X-Consent "<$privacy_consent>" always;
    location / { proxy_pass %%UPSTREAM%%; }
    location = /privacy-status { privacy_status; }
CONF
spew("$keys/redis.password", "PASSWORD\n");
my $own = $redis->url . "?user=privacy-nginx&password_file=$keys/redis.password";
$redis->command('ACL', 'SETUSER', 'privacy-nginx', 'on', '>PASSWORD', '~*', '&*', '+@all');
$t->config($config =~ s/replicas=1/memory/r, REDIS => $own);
$t->start;
my $v = $t->visitor;
$v->get('/');
is($v->choose('accept_all')->status, 303, 'a choice');
my $away = $t->visitor;
$away->get('/');
is($away->choose('accept_all')->status, 303, '... and another one');
my $late = $t->visitor(headers => ['X-Real-IP' => '10.6.1.1']);
$late->get('/');
is($late->choose('reject_all')->status, 303, '... and a third');

# Status and metrics: named here, and there

my $monitoring = $section{'Monitoring and alerts'};
my $status = json($t->get('/privacy-status')->body);
my %fields = (node => $status->{node}, redis => $status->{redis}, counters => $status->{sites}[0]{counters},
    'sites[]' => $status->{sites}[0]);
my @paths = $monitoring =~ /`((?:node|redis|sites\[\]|counters)\.[\w.\[\]]+)`/g;
cmp_ok(scalar @paths, '>=', 30, 'fields are named');
is_deeply([grep { !there(\%fields, split /\./) } @paths], [], '... and each is there');
my %words = map { $_ => 1 } map { /([\w\[\]]+)/g } $monitoring =~ /`([^`]*)`/g;
for my $part (['node', $status->{node}], ['redis', $status->{redis}], ['a site', $status->{sites}[0]],
    ['durability', $status->{redis}{durability}], ['notices', $status->{sites}[0]{notices}])
{
    my @missing = grep { !$words{$_} && !$words{$_ . '[]'} } sort keys %{$part->[1]};
    is_deeply(\@missing, [], "each field of $part->[0] is named");
}
is_deeply([grep { !exists $status->{redis}{$_} && !/^(?:address|breaker|slots)$/ }
    sort keys %{$status->{redis}{endpoints}[0]}], [], 'an endpoint has nothing else');

my $text = $t->get('/privacy-status?format=prometheus')->body;
my %metrics = map { $_ => 1 } $text =~ /^(privacy_\w+)/mg;
my %named = map { $_ => 1 } $docs =~ /`(privacy_\w+)/g;
delete $named{privacy_NAME_total};
my %directives = map { $_ => 1 } slurp("$root/docs/directives.md") =~ /^### (privacy_\w+)/mg;
is_deeply([grep { !$metrics{$_} && !$directives{$_} } sort keys %named], [], 'metrics that are named are there');
my %counter = map { ("privacy_${_}_total" => 1) } keys %{$status->{sites}[0]{counters}};
is_deeply([grep { !$named{$_} && !$counter{$_} && $_ ne 'privacy_streams' } sort keys %metrics], [],
    'metrics that are there are named');
my ($failed, $out) = $t->ctl('status', '--url', 'http://' . $t->listen . '/privacy-status');
is($failed, 0, 'privacyctl status prints it') or diag $out;
like($out, qr/connected/, '... in words');

# Settings of Redis

for my $setting ($docs =~ /`((?:appendonly|appendfsync|maxmemory|maxmemory-policy|min-replicas-[\w-]+|no-appendfsync-[\w-]+|
        hash-max-[\w-]+|auto-aof-[\w-]+)(?:[ ][\w]+)?)`/gx)
{
    my ($name, $value) = split / /, $setting;
    my $is = $redis->command('CONFIG', 'GET', $name);
    ok(@$is == 2, "Redis has $name");
    $value = 2 if defined $value && $value eq 'N';
    ok(!defined $value || eval { $redis->command('CONFIG', 'SET', $name, $value); 1 }, "... which can be set: $setting");
}
$redis->command('CONFIG', 'SET', $_->[0], $_->[1]) for ['min-replicas-to-write', 0], ['maxmemory', 0];
for my $default ($docs =~ /`([\w-]+ [\w-]+)` \(default\)/g) {
    my ($name, $value) = split / /, $default;
    is($redis->command('CONFIG', 'GET', $name)->[1], $value, "$name is $value by default");
}
for my $default (['hash-max-listpack-entries', 512], ['hash-max-listpack-value', 64]) {
    like($docs, qr/`$default->[0]` at $default->[1]/, "$default->[0] is said");
    is($redis->command('CONFIG', 'GET', $default->[0])->[1], $default->[1], '... as it is by default');
}
like($redis->command('INFO', $_->[0]), qr/^$_->[1]:/m, "INFO has $_->[1]") for ['memory', 'used_memory'],
    ['persistence', 'aof_last_write_status'], ['persistence', 'aof_last_bgrewrite_status'],
    ['replication', 'connected_slaves'];

# The commands, one after the other, on a desk with the files that they name

my $desk = "$dir/desk";
mkdir $desk;
symlink "$keys/$_", "$desk/$_" for "$site.key", "$site.pub", 'keys';
mkdir "$dir/bin";
spew("$dir/bin/nginx", "#!/bin/sh\nkill -HUP " . $t->pid . "\n");
spew("$dir/bin/redis-cli", "#!/bin/sh\nexec /usr/bin/redis-cli -s " . $redis->socket . " \"\$@\"\n");
chmod 0755, "$dir/bin/nginx", "$dir/bin/redis-cli";
$ENV{PRIVACY_REDIS} = $redis->url;
$ENV{PATH} = "$dir/bin:" . dirname($t->{ctl}) . ":$ENV{PATH}";

sub run {
    my ($command) = @_;
    (my $run = $command) =~ s{/etc/nginx/privacy}{$keys}g;
    return Test::Privacy::_run({}, 'sh', '-c', 'cd "$0" && eval "$1"', $desk, $run);
}
sub commands { my ($name) = @_; return map { split /(?<!\\)\n/ } $section{$name} =~ /^```sh\n(.*?)^```$/msg }

my $network = 0;
sub saved {
    my $new = $t->visitor(headers => ['X-Real-IP' => '10.7.' . ++$network . '.1']);
    $new->get('/');
    return $new->choose('accept_all')->status;
}
for my $name ('Accounts', 'Keys', 'Backup and restore') {
    for my $command (commands($name)) {
        next if $command =~ /-p 26379/;     # a sentinel's: t/acl_servers.t
        # a reload is over when the workers of before take nothing more, which is after the command is
        my $all = $command =~ /-s reload/ ? $t->reload(sub { ($failed, $out) = run($command) })
            : do { ($failed, $out) = run($command); 1 };
        is($failed, 0, "$name: " . ($command =~ /^(.{1,60})/)[0]) or diag($out);
        next if $name ne 'Keys';
        ok($all, '... and all workers are new') if $command =~ /-s reload/;
        is(saved(), 303, '... and nobody is refused meanwhile');
    }
}
like(join("\n", @{{ @{$redis->command('ACL', 'GETUSER', 'privacy-nginx')} }->{passwords}}),
    qr/^[0-9a-f]{64}$/, 'the account has one password, the new one');
$redis->command('CLIENT', 'KILL', 'USER', 'privacy-nginx');
# nginx may not have seen yet that it is not connected anymore: Redis says who is there
ok(wait_for(sub { $redis->command('CLIENT', 'LIST') =~ /user=privacy-nginx/ }, 20), '... with which nginx connects');
ok(wait_for(sub { json($t->get('/privacy-status')->body)->{redis}{connected} }, 20), '... and says so');
is((() = slurp("$keys/keys") =~ /^(?:cookie|form|ledger) /mg), 6, 'keys of three kinds were rotated');
is((() = slurp("$keys/keys") =~ /^pseudonym /mg), 1, '... and one was not');
ok(-s "$desk/example.backup", 'there is a backup');
my $backup = slurp("$desk/example.backup");
my @secrets = map { /(\S{20,})\s*$/mg } slurp("$keys/keys"), slurp("$keys/$site.key");
cmp_ok(scalar @secrets, '>=', 8, 'keys');
is_deeply([grep { index($backup, $_) >= 0 } @secrets], [], '... none of which is in it');
ok(wait_for(sub { $v->get('/')->header('X-Consent') eq '<analytics,marketing>' }, 20), 'what was chosen holds');

$late->get('/privacy/choices');
is($late->choose('accept_all')->status, 303, '... and is chosen after it');

# Redis is emptied, and the backup brought back, while nginx runs

sub lost { return json($t->get('/privacy-status')->body)->{sites}[0]{log_missing} }
$redis->command('FLUSHALL');
$redis->command('PUBLISH', "privacy:$site:events", 'published 1');
ok(wait_for(sub { $v->get('/')->header('X-Consent') eq '<>' }, 20), 'Redis is emptied: what was chosen counts for nothing');
ok(wait_for(\&lost, 20), '... the status says that the log is gone');
like($t->log, qr/has lost the publication log .*"privacyctl publish --cache" refills it$/m, '... the error log, what helps');
($failed, $out) = run((grep { /^privacyctl restore/ } commands('Backup and restore'))[0]);
is($failed, 0, '... restored') or diag $out;
ok(wait_for(sub { !lost() }, 20), '... the log is back');
is($v->get('/')->header('X-Consent'), '<>', '... who came by meanwhile is asked again');
is($away->get('/')->header('X-Consent'), '<analytics,marketing>', '... all others are not');
sleep 2.1;
$away->get('/');
is(json($t->get('/privacy-status')->body)->{sites}[0]{counters}{ledger_missing}, 1, '... nor when they were looked up');
is($away->get('/')->header('X-Consent'), '<analytics,marketing>', '... again');
ok(wait_for(sub { $late->get('/')->header('X-Consent') eq '<>' }, 20), '... who chose after the backup is asked again');
is($late->choose('accept_all')->status, 303, '... and can');
$v->get('/privacy/choices');
is($v->choose('reject_all')->status, 303, '... and can choose again');
for my $ledger (@{$redis->command('KEYS', 'privacy:{*:ledger')}) {
    my ($subject) = $ledger =~ /:([\w-]{22})\}/;
    ($failed, $out) = $t->ctl('ledger', $t->ctl_site, '--keys', "$keys/keys", $subject);
    is($failed, 0, '... each ledger holds, over both keys') or diag $out;
}

# Accounts outlive a restart, one way and the other

$redis->command('CONFIG', 'REWRITE');
like(slurp("$dir/redis/redis.conf"), qr/^user privacy-nginx on .*hsetnx/m, 'CONFIG REWRITE keeps accounts');
my $other = Test::Privacy::Redis->new("$dir/other");
spew("$dir/other/users.acl", '');
$other->start("aclfile $dir/other/users.acl");
is($other->command('ACL', 'SETUSER', 'privacy-nginx', 'on', '>secret'), 'OK', 'with an aclfile');
is($other->command('ACL', 'SAVE'), 'OK', '... ACL SAVE');
like(slurp("$dir/other/users.acl"), qr/^user privacy-nginx on/m, '... keeps them');
is($other->command(@$_), 'OK', "... then @$_[0, 1]") for ['ACL', 'SETUSER', 'privacy-nginx', '>another', '<secret'],
    ['ACL', 'SETUSER', 'redis-admin', 'on', '>own', 'allkeys', 'allchannels', '+@all'],
    ['CONFIG', 'SET', 'masteruser', 'redis-replica'], ['CONFIG', 'SET', 'masterauth', 'secret'], ['CONFIG', 'REWRITE'];
like(slurp("$dir/other/redis.conf"), qr/^$_$/m, "... CONFIG REWRITE keeps $_")
    for 'masteruser "?redis-replica"?', 'masterauth "?secret"?';
is(qx(REDISCLI_AUTH=own /usr/bin/redis-cli -s @{[$other->socket]} --user redis-admin ACL WHOAMI 2>&1), "redis-admin\n",
    'whoever administers it signs in');
for my $with ("aclfile $dir/other/users.acl", '') {
    $other->stop;
    $other->start($with);
    is_deeply({ @{$other->command('ACL', 'GETUSER', 'privacy-nginx')} }->{passwords}, [sha256_hex('secret')],
        'a password that was not saved is the old one again') if $with;
    is(!!$other->command('ACL', 'GETUSER', 'privacy-nginx'), $with ne '', 'started again ' . ($with ? 'with' : 'without')
        . ' it, ' . ($with ? 'they are there' : 'they are gone'));
}
$other->stop;

# Nodes with other keys do not know each other's cookies, and say so

$b->keys_dir;
spew($b->dir . "/keys/$site.pub", slurp("$keys/$site.pub"));
$b->config($config =~ s/replicas=1/memory/r, REDIS => $redis->url, UPSTREAM => "http://unix:$dir/upstream.sock:");
$b->start;
$v->{peer} = $b->listen;
is($v->get('/')->header('X-Consent'), '<>', 'a node with other keys: what was chosen counts for nothing');
sub counter { return json($b->get('/privacy-status')->body)->{sites}[0]{counters}{$_[0]} }
cmp_ok(counter('cookies_invalid'), '>', 0, '... and is counted');
$b->stop;

# One that was forgotten when the ledger key was rotated; counters begin anew

spew($b->dir . '/keys/keys', slurp("$keys/keys") =~ s/^ledger .*\n//mr);
chmod 0600, $b->dir . '/keys/keys';
$b->start;
is(counter('cookies_invalid'), 0, 'started again, counters begin with 0');
$away->{peer} = $t->listen;
$away->get('/privacy/choices');
is($away->choose('custom', purpose => ['analytics'])->status, 303, 'a choice, signed with the newest ledger key');
$away->{peer} = $b->listen;
$b->allow(qr/does not verify/);
ok(wait_for(sub { $away->get('/')->header('X-Consent') eq '<>' && counter('ledger_damaged') }, 20),
    '... counts for nothing where that is not known, which is counted');
$b->stop;

# Old lines are taken out, and with them what only they signed

my $open = $t->visitor(headers => ['X-Real-IP' => '10.8.1.1']);
$open->get('/');
my %form = $open->form;
is(($t->ctl('keygen', '--rotate', $_, "$keys/keys"))[0], 0, "another $_ key") for qw(cookie form);
spew("$keys/keys", join '', grep { my ($kind) = /^(\w+)/; !/^(?:cookie|form) / || !$t->{kept}{$kind}++ }
    slurp("$keys/keys") =~ /^(.*\n)/mg);
chmod 0600, "$keys/keys";
is((() = slurp("$keys/keys") =~ /^(?:cookie|form) /mg), 2, 'one cookie key and one form key are left, the newest');
$away->{peer} = $t->listen;
$t->reload;
is($away->get('/')->header('X-Consent'), '<>', '... a cookie of before counts for nothing');
my $again = $open->post('/privacy/choices', { %form, choice => 'accept_all' });
is($again->status, 400, '... nor does a form that was open');
like($again->body, qr{href="/privacy/choices}, '... instead of which another one is offered');
is(saved(), 303, '... all is well with what is new');
is_deeply([$b->problems], [], 'nothing alarming there');
$b->{finished} = $b->{clean} = 1;

# A node that knows nothing

sub passes { return [map { /^(\w+)=/ ? $1 : () } $b->get('/')->headers('Set-Cookie')] }
for my $directive ('privacy_necessary sessionid;', '') {
    $b->config($config =~ s/replicas=1/memory/r =~ s/(privacy_site)/$directive $1/r
            =~ s/%%PRIVACY%%/privacy_zone 4m; privacy_redis unix:%%DIR%%\/none; privacy_keys %%KEYS%%\/keys;/r,
        UPSTREAM => "http://unix:$dir/upstream.sock:");
    $b->{finished} = $b->{clean} = 0;
    $b->start;
    is_deeply(passes(), $directive ? ['sessionid'] : ['sessionid', '_ga'],
        'without any policy: ' . ($directive || 'without privacy_necessary everything passes'));
    is(json($b->get('/privacy-status')->body)->{sites}[0]{sequence}, 0, '... and the status says so');
    $b->stop;
}
$b->{finished} = $b->{clean} = 1;

# Configurations that are quoted

system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=redis.internal -keyout $dir/key.pem "
    . "-out $dir/cert.pem 2>/dev/null") == 0 or die 'openssl';
my $addresses = 0;
for my $quoted ($docs =~ /^```nginx\n(.*?)^```$/msg) {
    my @lines = $quoted =~ /^\s*(privacy_redis [^\n]*;)/mg;
    for my $line (@lines) {
        (my $here = $line) =~ s{/etc/nginx/privacy}{$keys}g;
        my ($url) = $here =~ /privacy_redis (\S+);/;
        for my $file ($url =~ /(?:_file|ca|cert|key)=([^&]+)/g) {
            spew($file, $file =~ /password/ ? "secret\n" : slurp($file =~ /\.key$/ ? "$dir/key.pem" : "$dir/cert.pem"));
        }
        $t->config($config, REDIS => $url);
        my ($status, $said) = $t->check_config;
        is($status, 0, "nginx -t: $line") or diag $said;
        $url =~ s/\b(?:10\.0\.0\.\d|127\.0\.0\.1)\b/$t->address/ge;     # where nobody is
        ($status, $said) = $t->ctl('versions', '--site', $site, '--public', "$keys/$site.pub", '--redis', $url);
        is($status, 3, '... privacyctl takes it, too') or diag $said;
        $addresses++;
    }
}
cmp_ok($addresses, '>=', 5, 'addresses of each kind');

$t->finish;


sub there {
    my ($in, @path) = @_;

    for my $name (@path) {
        my $list = $name ne 'sites[]' && $name =~ s/\[\]$//;
        return 0 if ref $in ne 'HASH' || !exists $in->{$name};
        $in = $list ? $in->{$name}[0] : $in->{$name};
    }
    return 1;
}
