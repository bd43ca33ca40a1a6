#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Event streams as connections: what a worker keeps of them, what clients do to them, over which protocols they go, how
# many there may be, and that they end with their worker. What is said on them: events.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use JSON::PP ();
use Socket qw(SO_RCVBUF);
use Test::More;
use Test::Privacy;
use Test::Privacy::Events;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('streams');
my $dir = $t->dir;
system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=www.example -keyout $dir/tls.key -out $dir/tls.pem "
    . '2>/dev/null') == 0 or die 'no certificate';
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my ($user) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=(\w+)\./;
    return { headers => ['Content-Type' => 'text/html', $user ? ('X-Privacy-User' => $user) : ()],
        body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});
$t->publish($t->bundle);

sub config {
    my ($streams) = @_;
    # an old worker that leaves by itself does so long before it is made to, on a slow machine, too
    my $main = $t->_main =~ s/worker_connections 512/worker_connections 4096/r =~ s/(shutdown_timeout) 10s/$1 60s/r;
    my ($held) = $t->listen('_held') =~ /:(\d+)$/;
    $t->config(<<"CONF", MAIN => $main);
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    $streams
    map \$server_port \$rate { default 0; $held 100k; }
    log_format streams '\$uri \$status \$bytes_sent \$server_protocol';
    server {
        listen %%LISTEN%% backlog=2048;
        listen %%LISTEN_held%%;
        listen %%LISTEN_narrow%% sndbuf=4k;
        listen %%LISTEN_h2%% http2 sndbuf=4k;
        listen %%LISTEN_tls%% ssl http2 sndbuf=4k;
        ssl_certificate %%DIR%%/tls.pem;
        ssl_certificate_key %%DIR%%/tls.key;
        limit_rate \$rate;
        privacy enforce;
        privacy_site %%SITE%%;
        access_log %%DIR%%/access.log streams;
        location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
        location /privacy/ { privacy_center; }
        location = /status { privacy_status; }
        location = /stub { stub_status; }
    }
}
CONF
}
config('privacy_streams 1000;');
$t->start;

my $keys = $t->keys_dir;
my $code = JSON::PP->new->utf8->canonical;
my $sent = 0;

sub user {
    my ($name) = @_;
    my $v = $t->visitor(headers => ['Accept-Language' => 'en']);
    $v->jar->{sessionid} = "$name.1";
    $v->get('/');
    return $v;
}
sub announce {
    my ($title, $summary) = @_;
    my %text = (title => $title, summary => $summary // 's');
    spew("$dir/n.json", $code->encode({ kind => 'announcement', texts => { 'zh-CN' => \%text, en => \%text } }));
    my ($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', "$keys/example.key", '--json', "$dir/n.json");
    die "notice send: $out" if $status;
    $sent++;
    return json($out)->{id};
}
sub opened {
    my ($v, %options) = @_;
    my $s = events($v, %options);
    $s->next('hello', 20) or die 'no hello';
    return $s;
}
sub hears {
    my ($s, $id) = @_;
    while (my $event = $s->next('notice', 20)) {
        return 1 if $event->{json}{id} eq $id;
    }
    return 0;
}
sub stub {
    my $text = $t->get('/stub')->body;
    my %count = map { lc } $text =~ /(\w+)(?: connections)?: (\d+)/g;
    return \%count;
}
sub descriptors { my ($pid) = $t->workers; my @fd = glob "/proc/$pid/fd/*"; return scalar @fd }
sub dirty { my ($pid) = $t->workers; return slurp("/proc/$pid/smaps_rollup") =~ /^Private_Dirty:\s+(\d+)/m ? $1 : 0 }
sub raw {
    my ($v, $version, %options) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $options{peer} || $t->listen, Sockopts => $options{sockopts})
        or die "connect: $!";
    syswrite $socket, join "\r\n", "GET /privacy/events HTTP/$version", 'Host: www.example', 'Accept-Language: en',
        'Sec-Fetch-Site: same-origin', 'Cookie: ' . join('; ', map { "$_=$v->{jar}{$_}" } sort keys %{$v->{jar}}), '',
        $options{more} // '';
    return $socket;
}
sub until_said {
    my ($socket, $pattern) = @_;
    my ($text, $deadline) = ('', time + 20);
    while ($text !~ $pattern && time < $deadline && IO::Select->new($socket)->can_read($deadline - time)) {
        sysread $socket, $text, 65536, length $text or last;
    }
    return $text;
}

# What a worker keeps

my $alice = user('alice');
my $early = opened($alice);
my $opened = time;
my @s = map { opened($alice) } 1 .. 20;
my $count;
wait_for(sub { $count = stub(); $count->{active} - $count->{waiting} == 22 && $count->{writing} == 1 }, 20);
is($count->{active} - $count->{waiting}, 22, 'each is a connection');
is($count->{writing}, 1, '... and none is a request any more');
is(scalar(() = slurp("$dir/access.log") =~ m{^/privacy/events 200 [1-9]\d* HTTP/1\.1$}mg), 21,
    '... which is in the access log as soon as it is open');
my $id = announce('One');
is(scalar(grep { !hears($_, $id) } $early, @s), 0, 'they hear what comes');

# What clients do

my ($chatty, $flood, $half, $gone) = @s;
syswrite $chatty->{socket}, 'x' x 5000;
syswrite $chatty->{socket}, "GET / HTTP/1.1\r\nHost: www.example\r\n\r\n";
my $pipelined = raw($alice, '1.1', more => "\r\nGET / HTTP/1.1\r\nHost: www.example\r\n\r\n");
like(until_said($pipelined, qr/event: hello/), qr/^HTTP\/1\.1 200/, 'a request behind the first one waits for nothing');
shutdown $half->{socket}, 1;
close $gone->{socket};
ok($half->ended(20), 'a client that has nothing to say any more is let go');
{
    local $SIG{PIPE} = 'IGNORE';
    my $deadline = time + 20;
    1 while time < $deadline && syswrite $flood->{socket}, 'x' x 16384;
    ok(time < $deadline, 'one that sends and sends, too');
}
$id = announce('Two');
ok(hears($_, $id), 'the others hear on') for $chatty, $s[-1];
like(until_said($pipelined, qr/"$id"/), qr/"$id"/, '... all of them');
ok(wait_for(sub { stub()->{active} - stub()->{waiting} == 20 }, 20), '... and no other connection is left');

# Protocols

my $old = raw($alice, '1.0');
my $head = until_said($old, qr/event: hello\n.*\n\n/);
unlike($head, qr/^Transfer-Encoding/mi, 'HTTP/1.0: no chunks');
like($head, qr/\r\n\r\nretry: \d+\n/, '... but events');
$id = announce('Three');
like(until_said($old, qr/"$id".*\n\n/), qr/^id: 1-3\nevent: notice\ndata: \{.*"$id".*\}\n\n\z/m, '... as they are');

my $held = opened($alice, peer => $t->listen('_held'));
ok(wait_for(sub { stub()->{writing} == 2 }, 20), 'where nginx limits the rate, the request stays');
my @ids = map { announce("Held $_", 'h' x 5000) } 1 .. 20;
is(scalar(grep { !hears($held, $_) } @ids), 0, '... and hears all, one behind the other');
$held->close;

my $narrow = raw($alice, '1.1', peer => $t->listen('_narrow'), sockopts => [[SO_RCVBUF, 2048]]);
until_said($narrow, qr/(?:event: notice\n.*?\n\n.*?){8}\z/s);
ok(wait_for(sub { stub()->{writing} == 1 }, 20), 'who takes little at a time: the request is let go by then');
$id = announce('Narrow');
like(until_said($narrow, qr/"$id"/), qr/"$id"/, '... and the stream goes on');
close $narrow;

my $cookies = sub { my ($own) = @_;
    return "Cookie: $own=$alice->{jar}{'privacy-user'}; sessionid=alice.1" };
for my $way (
    ['HTTP/2', 'http://' . $t->listen('_h2'), 'privacy-user', '--http2-prior-knowledge'],
    ['HTTP/2 over TLS', 'https://' . $t->listen('_tls'), '__Host-privacy-user', '--http2'],
    ['HTTP/1.1 over TLS', 'https://' . $t->listen('_tls'), '__Host-privacy-user', '--http1.1'],
) {
    my ($name, $url, $cookie, $option) = @$way;
    my $writing = stub()->{writing};
    my $out = "$dir/curl.out";
    unlink $out;
    my $pid = $t->spawn('curl', '-k', '-sN', $option, '-o', $out, '-H', 'Sec-Fetch-Site: same-origin',
        '-H', 'Accept-Language: en', '-H', $cookies->($cookie), "$url/privacy/events");
    ok(wait_for(sub { -s $out && slurp($out) =~ /event: hello/ }, 20), "$name: a stream");
    $id = announce($name);
    ok(wait_for(sub { slurp($out) =~ /"$id"/ }, 20), '... that hears');
    is(stub()->{writing} - $writing, $option =~ /http2/ ? 1 : 0, '... ' . ($option =~ /http2/ ? 'as a request' : 'alone'));
    kill 'TERM', $pid;
    waitpid $pid, 0;
    ok(wait_for(sub { stub()->{writing} == $writing }, 20), '... and is gone with its client');
}

# One that stalls, where more stands between than a socket: what waits for it is bounded, too, and nobody else waits

sub slow { my ($site) = grep { $_->{name} eq 'example' } @{json($t->get('/status')->body)->{sites}};
    return $site->{counters}{streams_slow} }
for my $way (
    ['HTTP/2', 'http://' . $t->listen('_h2'), 'privacy-user', '--http2-prior-knowledge'],
    ['HTTP/1.1 over TLS', 'https://' . $t->listen('_tls'), '__Host-privacy-user', '--http1.1'],
    ['HTTP/2 over TLS', 'https://' . $t->listen('_tls'), '__Host-privacy-user', '--http2'],
) {
    my ($name, $url, $cookie, $option) = @$way;
    my $before = stub();
    my $slow = slow();
    unlink "$dir/curl.out";
    my $stalled = $t->spawn('curl', '-k', '-sN', $option, '-o', "$dir/curl.out", '-H', 'Sec-Fetch-Site: same-origin',
        '-H', $cookies->($cookie), "$url/privacy/events");
    ok(wait_for(sub { -s "$dir/curl.out" && slurp("$dir/curl.out") =~ /event: hello/ }, 20), "$name: another stream");
    kill 'STOP', $stalled;
    my $heard = 1;
    for (1 .. 300) {        # what the two sockets take differs: 40 most often
        my $id = announce("$name $_", 'x' x 8000);
        $heard &&= hears($early, $id);
        last if slow() > $slow;
    }
    cmp_ok(slow(), '>', $slow, "$name: one that stalls is let go");
    ok($heard, '... another one has heard all meanwhile');
    # an HTTP/2 connection is nginx's, who gives it up when nothing was taken for its send_timeout
    kill 'KILL', $stalled if $option =~ /http2/;
    ok(wait_for(sub { my $now = stub(); $now->{active} - $now->{waiting} <= $before->{active} - $before->{waiting}
        && $now->{writing} == $before->{writing} }, 20), '... and nothing stays of it');
    kill 'KILL', $stalled;
    waitpid $stalled, 0;
}

# Nothing is left of them

close $_ for $old, $pipelined;
$_->close for @s;
sub alone { wait_for(sub { my $now = stub(); $now->{active} - $now->{waiting} == 2 }, 20) }     # $early is there
sub some { my ($n) = @_; return map { my $s = raw($alice, '1.1'); until_said($s, qr/event: hello/); $s } 1 .. $n }
sub many { close $_ for some(900); return alone() }
alone();
my $before = descriptors();
ok(many(), 'many come and go');
cmp_ok(descriptors(), '<=', $before, '... and leave no descriptor');
my $memory = dirty();
many() for 1 .. 2;
cmp_ok(dirty() - $memory, '<', $ENV{TEST_SANITIZE} ? 1e6 : 300, '... and no memory, in KB');

# The comment that keeps what stands between from taking them for dead

my $deadline = time + 60;
do { $early->quiet(0.5) } until $early->comments || time > $deadline;
my $age = time - $opened;
cmp_ok($early->comments, '>=', int($age / 30), 'a comment every 25 seconds');
cmp_ok($early->comments, '<=', $age / 25 + 1, '... not more');

# How many

config('privacy_streams 2 total=3;');
$t->reload;
ok($early->ended(20), 'a reload ends them');
my $bob = user('bob');
my @limited = (opened($alice), opened($alice), opened($bob));
my $full = events(user('carol'));
is($full->status, 503, 'more than in all: none');
cmp_ok($full->header('Retry-After'), '>', 0, '... come back later');
is(scalar(grep { $_->ended(0.1) } @limited), 0, '... nobody has to go for it');
$limited[2]->close;
my $third;
ok(wait_for(sub { $third = events($alice); $third->status == 200 }, 20), 'one goes, another one comes');
ok($limited[0]->ended(20), '... the third of a user for the first');
ok(!$limited[1]->ended(0.1), '... not for the second');

my %status = %{json($t->get('/status')->body)->{node}};
is("$status{streams} of $status{streams_total}", '2 of 3', 'the status says how many there are') or diag(explain(\%status));
my ($site) = grep { $_->{name} eq 'example' } @{json($t->get('/status')->body)->{sites}};
cmp_ok($site->{counters}{streams_refused}, '>', 0, '... how many were refused');
is($site->{counters}{streams_replaced}, 1, '... or had to go for another one');

# Their worker goes

config('privacy_streams 1000;');
$t->reload;
my ($worker) = $t->workers;
my @many = some(900);
my $begun = time;
$t->reload;
ok(wait_for(sub { !-e "/proc/$worker" || slurp("/proc/$worker/stat") =~ /\) Z/ }, 20), 'an old worker leaves');
cmp_ok(time - $begun, '<', 50, '... before it is made to');
my $end = qr/(?:\A|\n)0\r\n\r\n\z/;
is(scalar(grep { until_said($_, $end) !~ $end } @many), 0, '... and ends its streams');
my %retry = map { $_ => 1 } map { my $s = events($alice); $s->next('hello', 20)->{retry} } 1 .. 5;
cmp_ok(scalar keys %retry, '>', 1, '... which do not come back all at once');

$t->finish;
