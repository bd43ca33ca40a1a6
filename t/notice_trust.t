#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Notices, where somebody or something is not to be trusted: Redis that hangs or holds what nobody signed, caches between
# users, other sites' forms, and a browser that somebody else takes over.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch qw(took);
use Time::HiRes qw(sleep time);

my $page = '<!doctype html><html><head><title>t</title></head><body><p>hello</p></body></html>';

my $t = Test::Privacy->new('notice_trust');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;

    my $uri = $request->{uri};
    my ($session) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=([^;]*)/;
    my @headers = ('Content-Type' => 'text/html; charset=utf-8', ETag => '"one"');
    my $name = ($session // '') =~ /^(\w+)\.\d+$/ ? $1 : undef;

    return { status => 303, body => '', headers => [Location => '/', 'X-Privacy-User' => '',
        'Set-Cookie' => 'sessionid=; Path=/; Max-Age=0'] } if $uri =~ m{^/logout};
    return { status => 303, body => '', headers => [Location => '/',
        'Set-Cookie' => 'sessionid=; Path=/; Max-Age=0'] } if $uri =~ m{^/silent};
    return { body => $page, headers => [@headers, 'X-Privacy-User' => $name, 'Set-Cookie' => "sessionid=$name.99; Path=/"] }
        if $uri =~ m{^/rotate};
    push @headers, 'X-Privacy-User' => $name if $name;
    if ($uri =~ m{^/slow}) {
        # until the notice that is sent meanwhile is there
        for (1 .. 500) {
            last if -e $t->dir . '/go';
            sleep 0.02;
        }
    }
    my $match = Test::Privacy::Upstream::header($request, 'If-None-Match') // '';
    return { status => $match =~ /"one"/ ? 304 : 200, headers => \@headers, body => $page };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF', http => 'proxy_cache_path %%DIR%%/temp/cache keys_zone=pages:1m;'));
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
    location /cached {
        proxy_pass %%UPSTREAM%%;
        proxy_cache pages;
        proxy_cache_valid 200 1m;
        proxy_cache_key $uri;
        proxy_hide_header X-Privacy-User;
        proxy_ignore_headers Set-Cookie Cache-Control;
    }
    location /shared {
        proxy_pass %%UPSTREAM%%;
        privacy_decorate shared;
    }
CONF
$t->start;

my $keys = $t->keys_dir;
my $redis = $t->redis;

sub user {
    my ($name, $session) = @_;
    my $v = $t->visitor(headers => ['Accept-Language' => 'en']);
    $v->jar->{sessionid} = "$name." . ($session // 1);
    $v->get('/');
    return $v;
}
sub bar { my ($v, $uri) = @_; return $v->get($uri // '/')->body =~ /id="privacy-notice"[^>]* data-notice="(\w+)"/ ? $1 : '' }
sub public_bar { return $_[0]->body =~ /id="privacy-public"[^>]* data-notice="(\w+)"/ ? $1 : '' }
sub shows { my ($v, $id) = @_; return wait_for(sub { bar($v) eq $id }, 20) }
sub announcement {
    my ($text, @options) = @_;
    my $file = $t->dir . '/notice.json';
    spew($file, JSON::PP->new->utf8->encode({ kind => 'announcement', texts => {
        map { $_ => { title => "About $text", summary => "What is said of $text." } } qw(en zh-CN) } }));
    my ($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', "$keys/example.key", @options, '--json', $file);
    die "privacyctl notice send: $out" if $status;
    return json($out)->{id};
}
sub site { return json($t->get('/status')->body)->{sites}[0] }
sub answer {
    my ($v, $id, $answer, %more) = @_;
    my %form = $v->form;
    return $v->post("/privacy/notices/$id/ack", { %form, answer => $answer, %more });
}

my $alice = user('alice');
my $bob = user('bob');
my $nobody = $t->visitor(headers => ['Accept-Language' => 'en']);
is(announcement('one'), 'n1', 'an announcement');
ok(shows($_, 'n1'), 'is shown') for $alice, $bob;

# Caches: nginx's own, a shared one, the browser's

my @personal = ($alice->get('/'), $bob->get('/'));
like($_->header('Cache-Control'), qr/private/, 'a page with a bar is private') for @personal;
like($_->header('ETag'), qr/^W\/"one~p[0-9a-f]{8}"$/, 'its tag says what was inserted') for @personal;
my $tag = $alice->page->header('ETag');
is($alice->get('/', 'If-None-Match' => $tag)->status, 304, 'as long as that is so, it is not sent again');
is(answer(do { $alice->get('/'); $alice }, 'n1', 'acknowledge')->status, 303, 'answered');
is($alice->get('/', 'If-None-Match' => $tag)->status, 200, 'then a page with it in the browser is not good any more');
is(bar($alice), '', 'and it is gone');

is(bar($bob, '/cached'), 'n1', 'a page that nginx caches has the bar of who asks');
is(bar($alice, '/cached'), '', 'which the next one from the cache has not');
unlike($nobody->get('/cached')->body, qr/data-notice|data-user/, 'nor who is nobody');
like($bob->page->header('Cache-Control'), qr/private/, 'it leaves us private');

my ($shared, $other) = map { $_->get('/shared') } $bob, $nobody;
is($shared->body, $other->body, 'shared decoration is the same for everybody');
unlike($shared->body, qr/data-notice="n1"|data-user/, 'with nothing of a user in it');
$tag = $shared->header('ETag');
is($nobody->get('/shared', 'If-None-Match' => $tag)->status, 304, 'and is not sent again');
my $public = announcement('all', '--public');
ok(wait_for(sub { public_bar($nobody->get('/shared')) eq $public }), 'a public notice is in it');
is($nobody->get('/shared', 'If-None-Match' => $tag)->status, 200, 'what was stored before is not good any more');
is($nobody->get('/shared')->body, $bob->get('/shared')->body, 'again the same for everybody');
like($bob->get("/privacy/state.js")->body, qr/__privacyUser=\{"tag":"[0-9a-f]{16}"/,
    "whose session it is says the private script");
unlike($nobody->get('/privacy/state.js')->body, qr/__privacyUser/, 'to users only');

# Forms of others, forms of nobody

$bob->get('/');
my %form = $bob->form;
my @form = ('/privacy/notices/n1/ack', { %form, answer => 'acknowledge' });
is($bob->post(@form, 'Sec-Fetch-Site' => 'cross-site')->status, 403, 'an answer from another site');
is($bob->post($form[0], { answer => 'acknowledge' })->status, 400, 'without a token');
is($bob->post($form[0], { %form, answer => 'agree' })->status, 400, 'an agreement to what is no change');
is($bob->post($form[0], { %form, answer => 'whatever' })->status, 400, 'an answer that is none');
is($bob->post($form[0], '{"answer":', 'Content-Type' => 'application/json')->status, 400, 'half of one');
is($bob->post($form[0], 'x' x 20000, 'Content-Type' => 'application/x-www-form-urlencoded')->status, 413, 'a long one');
is($bob->post('/privacy/notices/n99/ack', { %form, answer => 'acknowledge' })->status, 404, 'to no notice');
is($bob->get('/privacy/notices/n1/ack')->status, 405, 'it is not to be read');
is($alice->post(@form)->status, 409, 'with the form of another user');
is($nobody->post(@form)->status, 404, 'by nobody');
is(bar($bob), 'n1', 'all of that changes nothing');
my $r = $bob->post($form[0], JSON::PP->new->encode({ token => $form{token}, answer => 'later' }),
    'Content-Type' => 'application/json');
is_deeply(json($r->body), { saved => JSON::PP::true, answer => 'later' }, 'JSON is answered in JSON');
is(bar($bob), '', 'and counts');

# What nobody signed: Redis holds it, and it is shown to nobody

my $stream = 'privacy:example:notices';
my $entries = $redis->command('XRANGE', $stream, '-', '+');
my ($signed) = grep { $_->[0] eq '1-0' } @$entries;
my $sealed = $signed->[1][1];
my ($magic, $signature, $body) = $sealed =~ /^(privacy-notice 1\n)([^\n]+)\n(.*)\n$/s or die $sealed;
my $next = $redis->command('XLEN', $stream);
sub forge { my ($bytes) = @_; $redis->command('XADD', $stream, ++$next . '-0', 'sealed', $bytes); return $next }
(my $altered = $body) =~ s/About one/About two/g;
$altered =~ s/"number":1/'"number":' . ($next + 1)/e;
forge("$magic$signature\n$altered\n");
(my $again = $body) =~ s/"number":1/'"number":' . ($next + 1)/e;
forge($magic . 'A' x 86 . "\n$again\n");
forge("rubbish");
forge($sealed);
my $mallory = $t->dir . '/mallory';
mkdir $mallory or die $!;
is(($t->ctl('keygen', '--site', 'example', $mallory))[0], 0, 'somebody has a key of their own');
$redis->command('PUBLISH', 'privacy:example:events', 'noticed 9');
ok(wait_for(sub { site()->{counters}{notices_refused} >= 4 }), 'what was forged, altered or moved is refused');
is_deeply([map { $_->{id} } @{site()->{notices}{open}}], ['n1', $public], 'and not open');
unlike($alice->get('/privacy/notices.json')->body, qr/About two/, 'nobody reads it');
like($t->log, qr/notice n$_ in Redis is refused/, "the log names n$_") for $next - 3 .. $next;

# Whose browser it is: a session that ends is said to all nodes, and the next user starts with what is theirs

my $heard = $t->dir . '/heard';
my $listener = fork // die $!;
if (!$listener) {
    open STDOUT, '>', $heard or die $!;
    exec 'redis-cli', '-s', $redis->socket, 'SUBSCRIBE', 'privacy:example:events' or die $!;
}
ok(wait_for(sub { -e $heard && slurp($heard) =~ /subscribe/ }), 'somebody listens');
sub left { my ($tag) = @_; return wait_for(sub { slurp($heard) =~ /left [\w-]{22} \Q$tag\E/ }) }
sub tag { my ($v) = @_; return $v->get('/')->body =~ /data-user="([0-9a-f]{16})"/ ? $1 : '' }

my $browser = user('carol');
ok(shows($browser, 'n1'), 'a user');
my $carol = tag($browser);
like($carol, qr/^[0-9a-f]{16}$/, 'in a session');
$browser->get('/rotate');
ok(left($carol), 'that is renewed: the old one is left');
my $renewed = tag($browser);
isnt($renewed, $carol, 'the new one has another name');
is(bar($browser), 'n1', 'the user is the same');
$browser->get('/logout');
ok(left($renewed), 'logged out');
is(tag($browser), '', 'nobody is logged in');
is(bar($browser), '', 'and nobody is shown what was for the user');
$browser->jar->{sessionid} = 'alice.7';
$browser->get('/');
is(bar($browser), '', 'another user of the same browser has answered it');
my $silent = tag($browser);
$browser->get('/silent');
ok(left($silent), 'a session whose cookie the application takes away without a word');
$browser->jar->{sessionid} = 'bob.7';
$browser->get('/');
my $first = tag($browser);
$browser->jar->{sessionid} = 'carol.8';
is(bar($browser), 'n1', 'a session that became somebody else\'s: they are shown their own');
isnt(tag($browser), $first, 'under another name');
kill 'TERM', $listener;
waitpid $listener, 0;

# Redis that hangs delays no page, and what a user answers is not said to be saved

my $dave = user('dave');
$dave->get('/');
is($dave->choose('reject_all')->status, 303, 'a user who has chosen');
ok(shows($dave, 'n1'), 'is shown it');
$redis->pause;
my $took = took(sub {
    $dave->get('/') for 1 .. 20;
    is(bar($dave), 'n1', 'what is known is shown');
});
cmp_ok($took / 21, '<', 0.2, 'and no page waits for Redis');
my $fresh = user('frank');
$r = answer($dave, 'n1', 'acknowledge');
is($r->status, 503, 'an answer that cannot be recorded');
ok($r->header('Retry-After'), 'may be tried again');
$redis->resume;
ok(wait_for(sub { site()->{subscribed} && json($t->get('/status')->body)->{redis}{connected} }), 'Redis is back');
ok(wait_for(sub { $dave->get('/')->body =~ /data-notice="n1"/ && answer($dave, 'n1', 'acknowledge')->status == 303 }, 20),
    'then it is taken');
is(bar($dave), '', 'and the bar is gone');
ok(shows($fresh, 'n1'), 'who came meanwhile is shown it now');

# A notice that becomes known while the upstream says that a page has not changed: the browser keeps the tag of what it has

spew($t->dir . '/go', '');
my $stored = $alice->get('/slow/page')->header('ETag');
unlink $t->dir . '/go';
my $sender = fork // die $!;
if (!$sender) {
    my $sent = eval { announcement('meanwhile') };
    my $known = $sent && wait_for(sub { grep { $_->{id} eq $sent } @{site()->{notices}{open}} }, 8);
    spew($t->dir . '/go', '');
    POSIX::_exit($known ? 0 : 1);
}
my $same = $alice->get('/slow/page', 'If-None-Match' => $stored);
waitpid $sender, 0;
is($?, 0, 'a notice is sent and known');
is($same->status, 304, 'while a page is confirmed');
is($same->header('ETag'), $stored, 'as the one that the browser has');
is($alice->get('/slow/page', 'If-None-Match' => $stored)->status, 200, 'the next time it is another one');
like($alice->page->body, qr/data-notice="n\d+"/, 'with the notice');
is(answer($alice, $1, 'acknowledge')->status, 303, 'understood') if $alice->page->body =~ /data-notice="(n\d+)"/;

$t->finish;
