#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Logged-in users: whose choice holds, on which device, and who can make whom believe what.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64 qw(encode_base64);
use Time::HiRes ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch;

my $t = Test::Privacy->new('users');
$t->redis->start;

# The application: a session is NAME.NUMBER, and every page says whose it is.
$t->upstream(sub {
    my ($request) = @_;

    my $uri = $request->{uri};
    my ($session) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=([^;]*)/;
    my @headers = ('Content-Type' => 'text/html; charset=utf-8', 'Set-Cookie' => '_ga=1; Path=/');
    my $body = '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>';

    if ($uri =~ m{^/login\?(\w+)}) {
        return { status => 303, body => '', headers => [Location => '/', 'X-Privacy-User' => $1,
            'Set-Cookie' => "sessionid=$1." . int(rand(1e9)) . '; Path=/; HttpOnly'] };
    }
    if ($uri =~ m{^/logout}) {
        return { status => 303, body => '', headers => [Location => '/', 'X-Privacy-User' => '',
            'Set-Cookie' => 'sessionid=; Path=/; Max-Age=0'] };
    }
    if ($uri =~ m{^/rotate} && $session) {
        my ($name) = $session =~ /^(\w+)/;
        return { body => $body, headers => [@headers, 'X-Privacy-User' => $name,
            'Set-Cookie' => "sessionid=$name." . int(rand(1e9)) . '; Path=/; HttpOnly'] };
    }
    if ($uri =~ m{^/verify}) {
        my ($name) = ($session // '') =~ /^(\w+)\.\d+$/;
        return $name ? { body => '', headers => ['X-Who' => $name] } : { status => 401, body => '' };
    }

    if ($uri =~ m{^/tagged}) {
        my $match = Test::Privacy::Upstream::header($request, 'If-None-Match') // '';
        return { status => $match =~ /"one"/ ? 304 : 200, body => $body, headers => [@headers, ETag => '"one"'] };
    }

    return { body => $body, headers => [@headers, map { ('X-Privacy-User' => $_) } split /,/, $1, -1] }
        if $uri =~ m{^/names\?(.*)};
    push @headers, 'Cache-Control' => $1 if $uri =~ m{^/says\?(.*)};
    push @headers, 'Cache-Control' => 'public, max-age=60' if $uri =~ /public/;
    push @headers, 'X-Privacy-User' => $1 if ($session // '') =~ /^(\w+)\.\d+$/ && $uri !~ m{^/silent};
    push @headers, 'X-Seen-User' => Test::Privacy::Upstream::header($request, 'X-Privacy-User')
        // Test::Privacy::Upstream::header($request, 'X_Privacy_User') // 'none';
    return { body => $body, headers => \@headers };
});

$t->publish($t->bundle);
spew($t->dir . '/html/passwords', "alice:{PLAIN}secret\nbob:{PLAIN}secret\n");
$t->config(site_conf(<<'CONF', http => <<'HTTP'));
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-State "<$privacy_state>" always;
    add_header X-Subject "<$privacy_subject>" always;

    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
    location /cached {
        proxy_pass %%UPSTREAM%%;
        proxy_cache pages;
        proxy_cache_valid 200 1m;
        proxy_ignore_headers Set-Cookie Cache-Control;
        proxy_cache_key $uri;
        privacy_user_header X-Privacy-User;
    }
    location /plain { proxy_pass %%UPSTREAM%%; }
    location /account {
        auth_request /verify;
        auth_request_set $who $upstream_http_x_who;
        privacy_user $who;
        privacy_session sessionid;
        proxy_pass %%UPSTREAM%%;
    }
    location = /verify { internal; proxy_pass %%UPSTREAM%%; }
    location /basic {
        auth_basic staff;
        auth_basic_user_file %%DIR%%/html/passwords;
        privacy_user $remote_user;
        proxy_pass %%UPSTREAM%%;
    }
    location /tagged {
        privacy_user $named;
        proxy_pass %%UPSTREAM%%;
    }
CONF
    underscores_in_headers on;
    map $http_authorization $named { default ""; "~^Basic " $remote_user; }
    proxy_cache_path %%DIR%%/temp/cache keys_zone=pages:1m;
HTTP
$t->start;

sub consent { return $_[0]->header('X-Consent') }
sub subject { my ($r) = @_; return $r->header('X-Subject') =~ /^<(.*)>$/ ? $1 : undef }
sub bound   { return grep { /^(?:__Host-)?privacy-user=(?!;)/ } $_[0]->headers('Set-Cookie') }

# Alice, and her second device

my $alice = $t->visitor;
my $r = $alice->get('/login?alice');
is($r->header('X-Privacy-User'), undef, 'the header of the application is taken off');
ok(bound($r), 'and bound into a cookie');
like((bound($r))[0], qr/HttpOnly/, 'that scripts can not read');
unlike((bound($r))[0], qr/alice/, 'and that does not name her');
like($r->header('Cache-Control'), qr/\bprivate\b/, 'on a response that no cache may share');

$r = $alice->get('/');
like($r->body, qr/id="privacy-banner"/, 'she has not chosen: she is asked');
my $her = subject($r);
like($her, qr/^[\w-]{22}$/, 'she has a pseudonym');
is($alice->choose('accept_all')->status, 303, 'she accepts');
$r = $alice->get('/');
is(consent($r), '<analytics,marketing>', 'that holds');
is(subject($r), $her, 'in her own ledger');
ok((grep { $_ eq '_ga' } $r->cookies), 'the cookie passes');

my $phone = $t->visitor;
$phone->get('/login?alice');
$r = $phone->get('/');
is(subject($r), $her, 'a second device: the same pseudonym');
is(consent($r), '<analytics,marketing>', 'her choice follows to the very first page');
unlike($r->body, qr/id="privacy-banner"/, 'she is not asked again');

# Bob, on her browser

$alice->get('/logout');
$r = $alice->get('/');
is(subject($r), '', 'logged out: nobody');
is(consent($r), '<>', 'nothing of hers is left');
ok(!(grep { $_ eq '_ga' } $r->cookies), 'on the wire neither');

my $cookie_of_alice = $phone->consent;
my $bob = $alice;
$bob->jar->{privacy} = $cookie_of_alice;
$bob->get('/login?bob');
$r = $bob->get('/');
like(subject($r), qr/^[\w-]{22}$/, 'a second user on the same browser');
isnt(subject($r), $her, 'is somebody else');
is(consent($r), '<>', 'who inherits nothing, not even with her cookie');
like($r->body, qr/id="privacy-banner"/, 'and is asked');
$bob->choose('reject_all');
is(consent($bob->get('/')), '<>', 'he rejects');
unlike($bob->page->body, qr/id="privacy-banner"/, 'and is not asked again');

is(consent($phone->get('/')), '<analytics,marketing>', 'which is no business of hers');

$bob->get('/logout');
$bob->get('/login?alice');
is(consent($bob->get('/')), '<analytics,marketing>', 'she is back on the shared browser: her own choice');

# One without a login chose before

my $guest = $t->visitor;
$guest->get('/');
$guest->choose('accept_all');
is(consent($guest->get('/')), '<analytics,marketing>', 'a guest accepts');
$guest->get('/login?carol');
is(consent($guest->get('/')), '<>', 'who logs in starts from their own');
$guest->get('/logout');

# Withdrawal reaches the other device

$alice->get('/privacy/choices');
is($alice->choose('withdraw')->status, 303, 'she withdraws on one device');
my $watch = Test::Privacy::Stopwatch->new;
ok($watch->within(2, sub { consent($phone->get('/')) eq '<>' }), 'it holds on the other within two seconds');
$phone->get('/privacy/choices');
$phone->choose('accept_all');

# The binding hangs on the session

my $thief = $t->visitor;
$thief->jar->{'privacy-user'} = $phone->jar->{'privacy-user'};
is(subject($thief->get('/silent')), '', 'a binding without its session is void');
$thief->jar->{sessionid} = 'alice.999';
is(subject($thief->get('/plain')), '', 'or with another one');
$thief->jar->{privacy} = $phone->consent;
is(consent($thief->get('/plain')), '<>', 'and her consent cookie means nothing then');

$r = $phone->get('/rotate');
is(subject($r), $her, 'the session is renewed');
is(subject($phone->get('/plain')), $her, 'and the binding with it');
my $old = $phone->jar->{'privacy-user'};
$phone->jar->{'privacy-user'} = substr($old, 0, -1) . (substr($old, -1) eq 'A' ? 'B' : 'A');
is(subject($phone->get('/plain')), '', 'a binding with one character changed is none');
$phone->jar->{'privacy-user'} = $old;

# Forgeries

my $nobody = $t->visitor;
for my $name ('X-Privacy-User', 'X_Privacy_User', 'x-privacy_user') {
    $r = $nobody->get('/', $name => 'alice');
    is(subject($r), '', "a request header $name makes nobody anybody");
    is($r->header('X-Seen-User'), 'none', 'the application does not even see it');
    ok(!bound($r), 'nothing is bound');
}

my $basic = 'Basic ' . encode_base64('alice:wrong', '');
is(subject($nobody->get('/plain', Authorization => $basic)), '', 'a forged Authorization where nobody asks for one');
is(subject($nobody->get('/privacy/choices', Authorization => $basic)), '', 'nor does the centre believe it');
$r = $nobody->get('/basic', Authorization => $basic);
is($r->status, 401, 'a wrong password');
ok(!bound($r), 'binds nobody');

$r = $nobody->get('/basic', Authorization => 'Basic ' . encode_base64('alice:secret', ''));
is($r->status, 200, 'the right password');
ok(bound($r), 'binds');
is(subject($r), $her, 'her, by the same name');
$nobody->forget;

# Caches

$r = $phone->get('/cached/page');
ok(!bound($r), 'a response that a cache keeps binds nobody, not even its first reader');
is($r->header('X-Privacy-User'), undef, 'the header is off');
$r = $nobody->get('/cached/page');
is($r->header('X-Privacy-User'), undef, 'out of the cache too');
ok(!bound($r), 'it binds nobody');
is(subject($r), '', 'and makes nobody anybody');

my $fresh = $t->visitor;
$fresh->jar->{sessionid} = 'alice.5';
$r = $fresh->get('/public');
ok(!bound($r), 'a publicly cacheable response binds nobody');
is($r->header('X-Privacy-User'), undef, 'and does not carry the name');

for my $value ('max-age=60', 's-maxage=60', 'public') {
    my $asserted = $fresh->get("/says?$value" =~ s/ //gr);
    ok(!bound($asserted), "neither does one with Cache-Control: $value");
}
for my $value ('private,max-age=60', 'no-store', 'no-cache') {
    $fresh->forget;
    $fresh->jar->{sessionid} = 'alice.5';
    ok(bound($fresh->get("/says?$value")), "one with Cache-Control: $value does");
}
$fresh->forget;

# Names that are none, and bytes of all kinds

is(subject($fresh->get('/plain')), '', 'nobody to begin with');
for my $name ('a' x 600, '') {
    $fresh->forget;
    ok(!bound($fresh->get("/names?$name")), length($name) . ' bytes are no name');
}
$fresh->forget;
ok(bound($fresh->get('/names?%E5%BC%A0%E4%B8%89')), 'any other bytes are');

# auth_request

$r = $t->visitor->get('/account');
is($r->status, 401, 'auth_request refuses');
ok(!bound($r), 'and binds nobody');

my $desk = $t->visitor;
$desk->jar->{sessionid} = 'alice.77';
$r = $desk->get('/account');
is($r->status, 200, 'auth_request lets in');
ok(bound($r), 'privacy_user binds whom it named');
is(subject($r), $her, 'by the same pseudonym');
is(consent($desk->get('/account')), '<analytics,marketing>', 'with her choice');

# Redis away: the first page of a user waits for a bounded time and goes on as undecided

$t->redis->pause;
my $tablet = $t->visitor;
$tablet->get('/login?dave');
$watch = Test::Privacy::Stopwatch->new;
$r = $tablet->get('/');
is($r->status, 200, 'Redis hangs: the first page of a user comes all the same');
is(consent($r), '<>', 'as undecided');
cmp_ok($watch->seconds, '<', 3, 'in bounded time');
undef $watch;

my $cookies = join '; ', map { "$_=" . $tablet->jar->{$_} } sort keys %{$tablet->jar};
my $get = "GET / HTTP/1.1\r\nHost: x\r\nCookie: $cookies\r\n\r\n";
for (1 .. 20) {
    my $gone = $t->connect;
    $gone->write($get);
    $gone->close;
}
my $patient = $t->connect;
$patient->write($get x 3);
is(join(' ', map { $patient->read('GET')->status } 1 .. 3), '200 200 200', 'several at once on one connection, each waits');
my $half = $t->connect;
$half->write($get);
Time::HiRes::sleep(0.05);
$half->close;
$t->redis->resume;
is(consent($t->visitor->get('/')), '<>', 'who goes while waiting harms nobody');

# A refusal that Redis could not take holds against what another device chose before it was recorded

my ($one, $two) = map {
    my $v = $t->visitor(headers => ['X-Real-IP' => "10.7.$_.1"]);       # their choices are not counted with those of before
    $v->get('/login?erin');
    $v->get('/');
    $v;
} 1, 2;
ok(wait_for(sub { $one->get('/privacy/choices'); $one->choose('accept_all')->status == 303 }, 20),
    'two devices of one user');
is(consent($two->get('/')), '<analytics,marketing>', 'with one choice');
$one->get('/privacy/choices');
$t->redis->stop;
is($one->choose('withdraw')->status, 503, 'Redis is gone: one withdraws');
$t->redis->start;
ok(wait_for(sub { $two->get('/privacy/choices'); $two->choose('custom', purpose => ['analytics'])->status == 303 }, 20),
    'Redis is back: the other chooses first');
is(consent($one->get('/')), '<>', 'the refusal holds where it was made');
ok(wait_for(sub { consent($one->get('/')) eq '<>' && consent($two->get('/')) eq '<>' }, 20), 'and then on both');
ok(wait_for(sub {
    $one->get('/');
    return $one->get('/privacy/choices', Accept => 'application/json')->body =~ /"pending":false/;
}, 20), 'where it is pending no longer');
is(consent($one->get('/')), '<>', 'and is a refusal still');

# The same where both refuse in the same second, each something else: neither is taken for the other

my @from = ('X-Real-IP' => '10.7.7.1');
($one, $two) = map { my $v = $t->visitor(headers => [@from]); $v->get('/login?fay'); $v->get('/'); $v } 1, 2;
ok(wait_for(sub { $one->get('/privacy/choices'); $one->choose('accept_all')->status == 303 }, 20), 'two devices again');
is(consent($two->get('/')), '<analytics,marketing>', 'with one choice');
$_->get('/privacy/choices') for $one, $two;
$t->redis->stop;
Time::HiRes::sleep(0.02) while Time::HiRes::time() - int Time::HiRes::time() > 0.1;
my @sent = map {
    my ($v, %fields) = @$_;
    my $c = $t->connect;
    $c->write(Test::Privacy::Client::_format($c, 'POST', '/privacy/choices', headers => [@from,
        'Sec-Fetch-Site' => 'same-origin', Cookie => join '; ', map { "$_=" . $v->jar->{$_} } sort keys %{$v->jar}],
        body => { $v->form, %fields }));
    [$v, $c];
} [$one, choice => 'withdraw'], [$two, choice => 'custom', purpose => ['analytics']];
for (@sent) {
    my ($v, $c) = @$_;
    my $answer = $c->read('POST');
    is($answer->status, 503, 'Redis is gone: refused');
    $v->_keep($_) for $answer->headers('Set-Cookie');
}
$t->redis->start;
ok(wait_for(sub {
    $two->get('/');
    return $two->get('/privacy/choices', Accept => 'application/json')->body =~ /"pending":false/;
}, 20), 'Redis is back: what one refused is recorded');
is(consent($one->get('/')), '<>', 'the withdrawal holds where it was made');
ok(wait_for(sub { consent($one->get('/')) eq '<>' && consent($two->get('/')) eq '<>' }, 20), 'and then on both');

# What was stored for somebody else is not confirmed to who is logged in by now

my $staff = $t->visitor;
my @tag = ('If-None-Match' => $staff->get('/tagged')->header('ETag'));
is($staff->get('/tagged', @tag)->status, 304, 'a page that nobody in particular revalidates');
$r = $staff->get('/tagged', @tag, Authorization => 'Basic ' . encode_base64('alice:secret', ''));
is($r->status, 200, 'is another one for who is logged in') or diag($r->as_text);
ok(bound($r), 'who is bound by it');

$t->finish;
