#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Cookies pass in both directions only where a consented purpose declares them, on every response there can be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my @five = (
    'sessionid=s1; Path=/; HttpOnly', 'csrftoken=c1; Path=/; SameSite=Lax; Partitioned; Priority=High; Unknown=1',
    'track_id=t1; Path=/; HttpOnly; Max-Age=31536000', '_ga=g1; Path=/; Max-Age=63072000', 'mystery=m1; Path=/',
);

my $t = Test::Privacy->new('gate');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my ($status) = $request->{uri} =~ m{^/(\d{3})$};
    $status ||= 200;
    my @headers = map { ('Set-Cookie' => $_) } @five;
    push @headers, Location => '/elsewhere' if $status =~ /^30[12378]$/;
    push @headers, ETag => '"one"' if $status == 304;
    push @headers, 'X-Accel-Redirect' => '/internal' if $request->{uri} eq '/accel';
    push @headers, 'Cache-Control' => 'max-age=60' if $request->{uri} =~ m{^/cached};
    return { status => $status, headers => ['Content-Type' => 'text/plain', @headers], body => 'body' };
});
$t->publish($t->bundle);
$t->config(<<'CONF');
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    proxy_cache_path %%DIR%%/temp/cache keys_zone=c:1m;
    server {
        listen %%LISTEN%%;
        listen %%LISTEN_2%% http2;
        privacy enforce;
        privacy_site %%SITE%%;
        default_type text/plain;

        location / { proxy_pass %%UPSTREAM%%; }
        location /privacy/ { privacy_center; }

        location /own { add_header Set-Cookie "_ga=own; Path=/" always; add_header Set-Cookie "sessionid=own"; return 200; }
        location /own404 { add_header Set-Cookie "track_id=own" always; return 404; }
        location /userid { userid on; userid_name uid; return 200 "uid"; }
        location /page { error_page 404 /error.html; proxy_pass %%UPSTREAM%%/404; proxy_intercept_errors on; }
        location = /error.html { internal; add_header Set-Cookie "track_id=error" always; return 200 "an error"; }
        location = /internal { internal; add_header Set-Cookie "_ga=internal"; return 200 "internal"; }
        location /auth { auth_request /check; proxy_pass %%UPSTREAM%%; }
        location = /check { internal; proxy_pass %%UPSTREAM%%/check; proxy_pass_request_body off; }
        location /auth_set {
            auth_request /check;
            auth_request_set $seen $upstream_http_set_cookie;
            add_header Set-Cookie $seen;
            return 200 "set";
        }
        location /variable { return 200 "[$cookie__ga][$cookie_sessionid][$http_cookie]"; }
        location /early { if ($cookie__ga) { return 403; } return 200 "not seen"; }
        location /cached {
            proxy_cache c;
            proxy_cache_valid 200 1m;
            proxy_ignore_headers Set-Cookie;
            proxy_pass %%UPSTREAM%%;
        }
    }
}
CONF
$t->start;
ok(wait_for(sub { $t->get('/privacy/', Accept => 'application/json')->status == 200 }), 'the policy arrives')
    or diag($t->log);

# Responses

for my $status (200, 201, 204, 301, 302, 303, 304, 307, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503) {
    my $r = $t->get("/$status");
    is($r->status, $status, "$status arrives");
    is_deeply([$r->cookies], ['csrftoken', 'sessionid'], "$status: necessary cookies only");
}

my $r = $t->head('/200');
is_deeply([$r->cookies], ['csrftoken', 'sessionid'], 'HEAD');
my ($kept) = grep { /^csrftoken/ } $r->headers('Set-Cookie');
is($kept, $five[1], 'attributes that nobody knows pass untouched');

is_deeply([$t->get('/own')->cookies], ['sessionid'], 'add_header');
is_deeply([$t->get('/own404')->cookies], [], 'add_header always, on a 404');
is_deeply([$t->get('/userid')->cookies], [], 'userid');
$r = $t->get('/page');
like($r->body, qr/an error$/, 'error_page');
is_deeply([$r->cookies], [], 'its cookies');
$r = $t->get('/accel');
is($r->body, 'internal', 'X-Accel-Redirect');
is_deeply([grep { /_ga|track|mystery/ } $r->cookies], [], 'its cookies');
is_deeply([grep { /_ga|track|mystery/ } $t->get('/auth_set')->cookies], [], 'auth_request_set');
for my $visit (1, 2) {
    $r = $t->get('/cached/page');
    is_deeply([grep { /_ga|track|mystery/ } $r->cookies], [], "from a cache, visit $visit");
}
my ($exit, $h2) = $t->curl('--http2-prior-knowledge', 'http://' . $t->listen('_2') . '/200');
is_deeply([$h2->cookies], ['csrftoken', 'sessionid'], 'HTTP/2');

# Requests

sub seen {
    my ($uri, @cookies) = @_;

    $t->requests;
    $t->get($uri, map { (Cookie => $_) } @cookies);
    return map { Test::Privacy::Upstream::header($_, 'Cookie') // '' } $t->requests;
}

my $all = 'sessionid=s; _ga=g; track_id=t; mystery=m; csrftoken=c; prof_x=p';
is((seen('/200', $all))[0], 'sessionid=s; csrftoken=c', 'the upstream sees necessary cookies only');
is((seen('/200', '_ga=g'))[0], '', 'a header that is empty then is taken away');
is((seen('/200', 'sessionid=s', '_ga=g; csrftoken=c'))[0] =~ s/, /; /r, 'sessionid=s; csrftoken=c', 'several lines');
is_deeply([seen('/auth/x', $all)], [('sessionid=s; csrftoken=c') x 2], 'auth_request too');
is((seen('/200', 'SESSIONID=s; Sessionid=t; sessionid=u'))[0], 'sessionid=u', 'names are exact');
is((seen('/200', 'sessionid="a b"; _ga; =x; ; sessionid2=1; sessionid=ok'))[0], 'sessionid="a b"; sessionid=ok',
    'odd pairs');
is((seen('/200', 'privacy=x; __Host-privacy=y; __Secure-privacy=z; privacy-user=u; sessionid=s'))[0], 'sessionid=s',
    'cookies of the module never reach the upstream');
my $long = 'sessionid=' . 'x' x 3000;
is((seen('/200', "$long; _ga=" . 'y' x 3000))[0], $long, 'long ones');

is($t->get('/variable', Cookie => $all)->body, '[][s][sessionid=s; csrftoken=c]', 'variables see the same');
is($t->get('/early', Cookie => $all)->body, 'not seen', 'the rewrite phase too');

# With consent

my $v = $t->visitor;
$v->get('/privacy/choices');
$r = $v->choose('custom', purpose => ['analytics']);
is($r->status, 303, 'a choice is saved') or diag($r->as_text);
ok($v->consent, 'and carried in a cookie');
$t->requests;
$v->{jar}{$_} = 'x' for qw(sessionid _ga track_id mystery prof_x);
$r = $v->get('/200');
my ($request) = $t->requests;
is(Test::Privacy::Upstream::header($request, 'Cookie'), '_ga=x; sessionid=x', 'what was granted reaches the upstream');
is_deeply([$r->cookies], ['_ga', 'csrftoken', 'sessionid'], 'and is set');
like($r->header('Cache-Control') // '', qr/private/, 'on a response that is private');

$t->finish;
