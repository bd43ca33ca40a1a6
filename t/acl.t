#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The accounts of docs/operations.md, read from there: with them and nobody else nginx and privacyctl do everything,
# every rule of each is used, and all else is answered NOPERM.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Events;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('acl');
my $b = Test::Privacy->new('acl-b');
my $dir = $t->dir;
my $redis = $t->redis;
my ($host, $port) = split /:/, $t->listen('redis');
delete $t->{ports}{redis};
$redis->start("port $port", "bind $host", 'maxmemory-policy allkeys-lru');

# The accounts, as whoever follows the docs makes them

my $docs = slurp($t->root . '/docs/operations.md');
my ($section) = $docs =~ /^## Accounts\n(.*?)(?=^## |\z)/ms or die 'no accounts in the docs';
my @commands = grep { /redis-cli ACL SETUSER/ } $section =~ /^```sh\n(.*?)^```$/msg;
my %rules;
for my $command (@commands) {
    my @words = map { s/^'(.*)'$/$1/r } $command =~ s/\\\n//gr =~ /('[^']*'|[^\s']+)/g;
    my $name = $words[3];
    is_deeply([@words[0 .. 2]], ['redis-cli', 'ACL', 'SETUSER'], "$name: a command of the docs");
    s/PASSWORD/secret-$name/ for @words;
    is($redis->command(@words[1 .. $#words]), 'OK', '... that Redis takes');
    $rules{$name} = [@words[4 .. $#words]];
}
is_deeply([sort keys %rules], [map { "privacy-$_" } qw(backup nginx notify publish read restore)], 'six accounts');
$redis->command('ACL', 'SETUSER', 'admin', 'on', '>admin', 'allkeys', 'allchannels', '+@all');
$redis->command('AUTH', 'admin', 'admin');
$redis->command('ACL', 'SETUSER', 'default', 'reset', 'off');

sub url { return "redis://privacy-$_[0]:secret-privacy-$_[0]\@$host:$port" }
sub as { my ($account, @words) = @_; return $t->ctl(@words, '--site', $t->site, '--redis', url($account)) }

# Who says what to Redis, from here on

my $monitor = client('admin', 'admin');
$monitor->command('MONITOR');

# privacyctl and nginx, each with its account

my $keys = $t->keys_dir;
my $site = $t->site;
my @key = ('--key', "$keys/$site.key");
my @public = ('--public', "$keys/$site.pub");
my %done;                                       # account => what it said: [address, command, words...]

sub works {
    my ($account, $what, @words) = @_;

    my ($status, $out) = as($account, @words);
    is($status, 0, "$account: $what") or diag($out);
    heard($account);
    return $out;
}

works('publish', 'publish', 'publish', $t->bundle, @key, '--yes');
works('publish', 'publish another one', 'publish', $t->bundle(version => '2', effective => '2099-01-01T00:00:00Z',
    changes => [{ kind => 'editorial', summary => { 'zh-CN' => 'x', en => 'x' } }]), @key, '--yes');
works('publish', 'withdraw it', 'withdraw', '2', '--reason', 'No.', @key, '--yes');
works('publish', 'versions', 'versions', @public);
works('publish', 'check', 'check', $t->bundle, @public);
works('publish', 'diff', 'diff', 'current', $t->bundle(version => '3'), @public);

$t->upstream(sub {
    my ($request) = @_;
    my @headers = ('Content-Type' => 'text/html');
    push @headers, 'X-Privacy-User' => $1
        if (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => \@headers, body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});
my $config = site_conf(<<'CONF');
    privacy_lease 3s grace=3s;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "$privacy_subject" always;
    add_header X-Version "$privacy_version" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
system('cp', '-a', $keys, $b->dir . '/keys') == 0 or die 'no keys for the second node';
$t->config($config, REDIS => url('nginx'));
$b->config($config, REDIS => url('nginx'), UPSTREAM => "http://unix:$dir/upstream.sock:");
$_->start for $t, $b;
ok(wait_for(sub { $_->get('/')->header('X-Version') }, 20), 'nginx: a node has the policy') for $t, $b;
ok($_->listening, '... and is woken') for $t, $b;

# A visitor, on both nodes

sub on { my ($v, $node) = @_; $v->{peer} = $node->listen; return $v }
sub consent { return $_[0]->header('X-Consent') }

my $v = $t->visitor;
$v->get('/');
is($v->choose('accept_all')->status, 303, 'nginx: a choice');
is(consent(on($v, $b)->get('/')), '<analytics,marketing>', '... holds on the other node');
my $subject = $v->page->header('X-Subject');
my $granted = $v->consent;
is(consent($b->get('/', Cookie => "privacy=$granted")), '<analytics,marketing>', '... which trusts the cookie');
on($v, $t)->get('/privacy/choices');
is($v->choose('withdraw')->status, 303, '... a withdrawal');
ok(wait_for(sub { consent($b->get('/', Cookie => "privacy=$granted")) eq '<>' }, 2), '... reaches it within two seconds');
is($v->get("/privacy/$_")->status, 200, "... the centre: $_") for '', qw(versions choices notices log);

# A user: met, told, answers, by streams and by pages

sub device {
    my ($node) = @_;
    my $user = $node->visitor(headers => ['Accept-Language' => 'en']);
    $user->jar->{sessionid} = 'alice';
    $user->get('/') for 1 .. 2;
    return $user;
}
my ($desk, $phone) = (device($t), device($b));
is($desk->choose('accept_all')->status, 303, '... a user chooses');
my $stream = events($phone);
is($stream->status, 200, '... and opens a stream');
spew("$dir/notice.json", JSON::PP->new->utf8->encode({ kind => 'announcement', texts => {
    map { $_ => { title => 'About us', summary => 'What is said.' } } qw(en zh-CN) } }));
spew("$dir/users", "alice\nbob\n");
my ($n1) = works('notify', 'send', 'notice', 'send', "$dir/notice.json", '--users', "$dir/users", '--keys', "$keys/keys",
    @key, '--yes') =~ /notice (n\d)/;
is($n1, 'n1', '... says which');
ok($stream->next('notice', 20), 'nginx: it comes on the stream');
ok(wait_for(sub { $desk->get('/')->body =~ /data-notice="n1"/ }, 20), '... and in a page');
my %form = $desk->form;
is($desk->post('/privacy/notices/n1/ack', { %form, answer => 'later' })->status, 303, '... is put off');
$desk->get('/privacy/notices/n1');
%form = $desk->form;
is($desk->post('/privacy/notices/n1/ack', { %form, answer => 'acknowledge' })->status, 303, '... and answered');
$stream->close;
heard('nginx');

# The rest of privacyctl

works('notify', 'list', 'notice', 'list', @public);
works('notify', 'retract', 'notice', 'retract', 'n1', '--reason', 'Wrong.', @key, '--yes');
works('notify', 'notice to all', 'notice', 'send', "$dir/notice.json", '--all', @key, '--yes');
works('read', 'notice status', 'notice', 'status', $_, @public) for qw(n1 n3);
works('read', 'notice export', 'notice', 'export', 'n1', @public);
works('read', 'notice unreached', 'notice', 'unreached', 'n1', @public);
works('read', 'notice list', 'notice', 'list', @public);
works('read', 'versions', 'versions', @public);
works('read', 'ledger', 'ledger', $subject, '--keys', "$keys/keys", @public);
works('backup', 'backup', 'backup', '--output', "$dir/backup");
works('restore', 'restore', 'restore', "$dir/backup");
works('publish', 'rollover', 'rollover', "$dir/new", @key, '--yes');
@key = ('--key', "$dir/new/$site.key");
is_deeply([grep { ($_->[1] // '') !~ /^(?:config\|get|info)$/ } refused()], [], 'nobody was refused anything that it needs');

# Every rule was of use

for my $account (sort keys %rules) {
    my $said = $done{$account} || [];
    my %commands = map { lc $_->[1] => 1 } @$said;
    for my $rule (map { s/^\(|\)$//gr } map { /^\(/ ? split ' ' : $_ } @{$rules{$account}}) {
        if ($rule =~ /^\+(.*)/) {
            ok($commands{$1}, "$account: $rule is needed");
        } elsif ($rule =~ /^%(\w+)~(.*)/) {
            my ($modes, $pattern) = ($1, glob_of($2));
            ok((grep { ($_->[2] // '') =~ $pattern } @$said), "$account: $rule is needed");
        } elsif ($rule =~ /^&(.*)/) {
            my $pattern = glob_of($1);
            ok((grep { $_->[1] =~ /^(?:publish|subscribe)$/i && $_->[2] =~ $pattern } @$said), "$account: $rule is needed");
        }
    }
}

# Everything else is refused: to each account, and to who has none

my $ledger = "privacy:{$site:$subject}:ledger";
my %other = (
    all => [['FLUSHALL'], ['KEYS', '*'], ['CONFIG', 'SET', 'appendonly', 'no'], ['DEL', $ledger], ['EVAL', 'return 1', 0],
        ['ACL', 'WHOAMI'], ['SHUTDOWN'], ['DEBUG', 'SLEEP', 0], ['GET', 'session:1'], ['MONITOR'],
        ['HGETALL', 'privacy:{other:x}:ledger'], ['XRANGE', 'privacy:other:policies', '-', '+'], ['HDEL', $ledger, 1],
        ['XTRIM', "privacy:$site:policies", 'MAXLEN', 0], ['PUBLISH', 'privacy:other:events', 'x'],
        ['SUBSCRIBE', 'session'], ['PSUBSCRIBE', '*']],
    nginx => [['HSET', $ledger, 1, 'x'], ['SET', $ledger, 'x'], ['SET', "privacy:$site:policies", 'x'],
        ['SET', "privacy:$site:bundle:00", 'x'], ['XADD', "privacy:$site:policies", '*', 'a', 'b'],
        ['XADD', "privacy:$site:notices", '*', 'a', 'b'], ['EXPIRE', "privacy:$site:policies", 1],
        ['SADD', "privacy:$site:audience:00", 'x'], ['HSETNX', "privacy:$site:policies", 'x', 'x'], ['SCAN', 0]],
    publish => [['HGETALL', $ledger], ['HLEN', $ledger], ['SET', "privacy:$site:policies", 'x'],
        ['XADD', "privacy:$site:notices", '*', 'a', 'b'], ['SET', $ledger, 'x']],
    notify => [['HLEN', $ledger], ['XADD', "privacy:$site:policies", '*', 'a', 'b'],
        ['SET', "privacy:$site:bundle:00", 'x'], ['HGET', "privacy:$site:users:00", 'x']],
    read => [['HSETNX', $ledger, 99, 'x'], ['SET', "privacy:$site:form:00", 'x'],
        ['XADD', "privacy:$site:notices", '*', 'a', 'b'], ['SCAN', 0], ['PUBLISH', "privacy:$site:events", 'x']],
    backup => [['HSETNX', $ledger, 99, 'x'], ['SET', "privacy:$site:form:00", 'x'],
        ['PUBLISH', "privacy:$site:events", 'x']],
    restore => [['HSET', $ledger, 1, 'x'], ['SCAN', 0], ['HSETNX', 'session:1', 'a', 'b']],
);
for my $account (sort grep { $_ ne 'all' } keys %other) {
    my $client = client("privacy-$account", "secret-privacy-$account");
    my @allowed = grep { eval { $client->command(@$_); 1 } || $@ !~ /^redis: NOPERM / } @{$other{all}}, @{$other{$account}};
    is_deeply(\@allowed, [], "$account: all else is NOPERM");
}
like(answer('PING'), qr/^redis: NOAUTH /, 'who does not sign in is refused');
like(answer('AUTH', 'privacy-nginx', 'wrong'), qr/^redis: WRONGPASS /, '... and who has no password');

# What the two for backups can do more than they have to

my $backup = client('privacy-backup', 'secret-privacy-backup');
$redis->command('SET', 'session:1', 'x');
ok((grep { $_ eq 'session:1' } @{$backup->command('SCAN', 0, 'COUNT', 1000)->[1]}), 'backup: sees names of others');
my $restore = client('privacy-restore', 'secret-privacy-restore');
is($restore->command('SET', "privacy:$site:form:0000000000000000", 'x'), 'OK', 'restore: can overwrite');
$redis->command('DEL', 'session:1', "privacy:$site:form:0000000000000000");

# A further site: the same patterns with its name as well

for my $account ('publish', 'nginx') {
    $redis->command('ACL', 'SETUSER', "privacy-$account", map { my $p = $_; $p =~ s/\bexample\b/second/g ? $p : () }
        @{$rules{"privacy-$account"}});
}
system('cp', "$keys/$site.key", "$keys/second.key") == 0 && system('cp', "$keys/$site.pub", "$keys/second.pub") == 0
    or die 'no keys for the second site';
my ($status, $out);
for my $of ('second', 'third') {
    ($status, $out) = $t->ctl('publish', $t->bundle, '--site', $of, '--key', "$keys/second.key", '--yes', '--redis',
        url('publish'));
    is($status, $of eq 'second' ? 0 : 3, "a further site: $of") or diag $out;
}
$t->config($config =~ s/%%SITE%%/second key=$keys\/second.pub/r, REDIS => url('nginx'));
$t->reload;
ok(wait_for(sub { $v = $t->visitor; $v->get('/')->header('X-Version') && $v->choose('accept_all')->status == 303 }, 20),
    '... in which choices are saved');
is(scalar @{$redis->command('KEYS', 'privacy:{second:*}:ledger')}, 1, '... under its name');
$t->config($config, REDIS => url('nginx'));
$t->reload;
ok(wait_for(sub { my $r = $t->get('/')->header('X-Version'); defined $r && $r ne '' }, 20), '... and back');

# A rule that is missing is named, by privacyctl ...

for my $missing (['publish', '-xrange', 'xrange', 'versions', @public],
    ['read', '-hlen', 'hlen', 'ledger', $subject, '--keys', "$keys/keys", @public],
    ['notify', '-xadd', 'xadd', 'notice', 'send', "$dir/notice.json", '--public', @key, '--yes'],
    ['backup', '-scan', 'scan', 'backup', '--output', "$dir/backup2"],
    ['restore', '-hsetnx', 'hsetnx', 'restore', "$dir/backup"])
{
    my ($account, $rule, $command, @words) = @$missing;
    $redis->command('ACL', 'SETUSER', "privacy-$account", $rule);
    ($status, $out) = as($account, @words);
    isnt($status, 0, "$account without $command fails");
    like($out, qr/NOPERM .*'$command'/, '... and says why') or diag($out);
}
$redis->command('ACL', 'SETUSER', 'privacy-read', 'resetkeys');
($status, $out) = as('read', 'notice', 'list', @public);
like("$status $out", qr/^[1-9].*NOPERM .*(?:of the keys|a key)/s, 'so are keys');
($status, $out) = $t->ctl('versions', '--site', $site, @public, '--redis', "redis://privacy-read:wrong\@$host:$port");
like("$status $out", qr/^[1-9].*WRONGPASS/s, 'a wrong password, too');

# Another database needs one rule more

my @db = ('versions', '--site', $site, '--redis', url('publish') . '/1', @public);
$redis->command('ACL', 'SETUSER', 'privacy-publish', '+xrange');
($status, $out) = $t->ctl(@db);
like("$status $out", qr/^[1-9].*NOPERM .*'select'/s, 'another database needs +select');
$redis->command('ACL', 'SETUSER', 'privacy-publish', '+select');
is(($t->ctl(@db))[0], 0, '... and nothing else') or diag(($t->ctl(@db))[1]);

# ... and by nginx, which saves nothing then and says so

$v = $t->visitor;
$v->get('/');
$redis->command('ACL', 'SETUSER', 'privacy-nginx', '-hsetnx');
is($v->choose('accept_all')->status, 503, 'nginx without hsetnx: a choice is not saved');
$v->get('/');
is($v->choose('accept_all')->status, 503, '... nor is it again');
is(scalar(() = $t->log =~ /refuses HSETNX privacy:\{$site:\*\}:ledger: NOPERM .*'hsetnx'/g), 1,
    '... and the log says why, once a minute');
ok((grep { /hsetnx/i } map { $_->[1] } refused()), '... ACL LOG, too');
unlike($t->log, qr/refuses (?:EXEC|CONFIG|INFO)/, '... and nothing else');
is(json($t->get('/status')->body)->{redis}{last_error}, 'noperm', '... so does the status');
is($v->get('/')->header('X-Consent'), '<>', '... nor does it count');
$redis->command('ACL', 'SETUSER', 'privacy-nginx', '+hsetnx');
is($v->choose('accept_all')->status, 303, 'with it again, it is');
$redis->command('ACL', 'SETUSER', 'privacy-nginx', 'resetchannels');
$redis->command('CLIENT', 'KILL', 'USER', 'privacy-nginx');
ok(wait_for(sub { $t->log =~ /\(events\): noperm: NOPERM .*(?:of the channels|a channel)/ }, 20),
    'nginx without its channel says so');
sub subscribed { return json($t->get('/status')->body)->{sites}[0]{subscribed} }
ok(!subscribed(), '... so does the status');
$redis->command('ACL', 'SETUSER', 'privacy-nginx', "&privacy:$site:events");
ok(wait_for(\&subscribed, 20), 'with it again, it is woken');

# What may be given: with it, a setting that loses choices is warned of

sub warned { return json($t->get('/status')->body)->{redis}{warning} }
is(warned(), '', 'without +config|get and +info: nothing is said of settings');
$redis->command('ACL', 'SETUSER', 'privacy-nginx', '+config|get', '+info');
ok(wait_for(sub { warned() =~ /maxmemory-policy is "allkeys-lru"/ }, 25), '... with them, what loses choices is');

# To wait for replicas needs a rule more

$t->config($config =~ s/(%%PRIVACY%%)/$1 privacy_durability replicas=1;/r, REDIS => url('nginx'));
$t->reload;
ok(wait_for(sub { json($t->get('/status')->body)->{redis}{connected} }, 20), 'nginx is told to wait for replicas');
sub replicas { return json($t->get('/status')->body)->{redis}{durability}{last_count} }
for my $rule ('-wait', '+wait') {
    $redis->command('ACL', 'SETUSER', 'privacy-nginx', $rule);
    $v = $t->visitor;
    ok(wait_for(sub { $v->get('/')->header('X-Version') && $v->choose('accept_all')->status == 503 }, 20),
        "replicas=1 with $rule, and no replica there: not acknowledged");
    is(replicas(), $rule eq '+wait' ? 0 : undef, '... and the status says why');
}
like($t->log, qr/whether replicas have what was written is not known: noperm/, '... and the log');

$b->stop;
$b->{finished} = $b->{clean} = 1;
$t->finish;


sub glob_of { my ($glob) = @_; my $re = join '.*', map { quotemeta } split /\*/, $glob, -1; return qr/^$re$/s }


# A connection of its own to Redis, signed in.
sub client {
    my ($user, $password) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die "$host:$port: $!";
    my $self = bless { connection => $socket }, 'Test::Privacy::Redis';
    $self->command('AUTH', $user, $password);
    return $self;
}


# What Redis refused since it was reset: [user, what].
sub refused {
    return map { my %entry = @$_; [@entry{qw(username object)}] } @{$redis->command('ACL', 'LOG')};
}


# What one command is answered: an error as text.
sub answer {
    my (@words) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die "$host:$port: $!";
    my $client = bless { connection => $socket }, 'Test::Privacy::Redis';
    return eval { $client->command(@words) } // $@;
}


# What was said since the last call, by whoever had this account.
sub heard {
    my ($account) = @_;

    my $mark = "mark-$account-" . time;
    $redis->command('ECHO', $mark);
    my $nginx = join '|', map { /\baddr=(\S+)/ && /\buser=privacy-nginx\b/ ? (/\baddr=(\S+)/) : () }
        split /\n/, $redis->command('CLIENT', 'LIST');
    while (my $line = readline $monitor->{connection}) {
        my ($address, $words) = $line =~ /^\+[\d.]+ \[\d+ (\S+)\] (.*?)\r?\n/ or next;
        my @words = map { s/\\(x..|.)/length $1 == 3 ? chr hex substr $1, 1 : $1/ger } $words =~ /"((?:[^"\\]|\\.)*)"/g;
        last if lc $words[0] eq 'echo' && $words[1] eq $mark;
        my $who = $nginx ne '' && $address =~ /^(?:$nginx)$/ ? 'nginx' : $account;
        push @{$done{"privacy-$who"}}, [$address, @words];
    }
}
