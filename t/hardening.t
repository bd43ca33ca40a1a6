#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What no browser and no well-behaved application sends: header lines made to be long, dense, odd or broken, and
# requests that nginx refuses before they are looked at. Nothing gets around the gate, nothing breaks a worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $page = '<!DOCTYPE html><html><head><title>t</title></head><body><p>hello</p></body></html>';

my $t = Test::Privacy->new('hardening');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my ($uri, $query) = split /\?/, $request->{uri}, 2;
    my @headers = ('Content-Type' => 'text/html', ETag => '"one"');
    push @headers, 'Cache-Control' => join ',', map { sprintf 'x%03d', $_ } 1 .. 400 if $uri =~ m{/dense};
    push @headers, 'Cache-Control' => 'no-transform2,must-revalidate,proxy-revalidate,no-x,a,b,c,d' if $uri =~ m{/few};
    push @headers, $1 => $2 if ($query // '') =~ /^([\w-]+):(.*)/;
    push @headers, 'Set-Cookie' => '_ga=1; Path=/' if $uri =~ m{/ga};
    push @headers, 'Set-Cookie' => '__Host-privacy=x; Path=/; Secure', 'Set-Cookie' => 'privacy=x; Path=/'
        if $uri =~ m{/spoof};
    return { raw => "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\n" } if $uri eq '/broken';
    return { headers => \@headers, body => [map { /(.{1,3})/gs } $page, 'x' x 30_000] } if $uri =~ m{/pieces};
    return { headers => \@headers, body => $page };
});
$t->publish($t->bundle);
$t->config(<<'CONF');
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    large_client_header_buffers 4 16k;
    server {
        listen %%LISTEN%%;
        privacy enforce;
        privacy_site %%SITE%%;
        privacy_forward on;
        error_page 400 494 =200 /refused;
        error_page 405 =200 @sorry;

        location / { proxy_pass %%UPSTREAM%%; }
        location = /refused { internal; if ($cookie__ga) { return 200 "seen"; } proxy_pass %%UPSTREAM%%; }
        location = /sorry { internal; proxy_pass %%UPSTREAM%%/spoof; }
        location /unbuffered/ {
            gzip on;
            gzip_min_length 0;
            proxy_buffering off;
            proxy_http_version 1.1;
            proxy_pass %%UPSTREAM%%;
        }
        location /ssi/ { ssi on; alias %%DIR%%/html/; }
        location /status { privacy_status; }
        location @sorry { proxy_pass %%UPSTREAM%%; }
        location /privacy/ { error_page 400 =200 /sorry; privacy_center; }
    }
}
CONF
spew($t->dir . '/html/page.html', '<p>before</p><!--# include virtual="/status" --><p>after</p>');
$t->start;
ok(wait_for(sub { $t->get('/privacy/', Accept => 'application/json')->status == 200 }), 'the policy arrives')
    or diag($t->log);

my ($worker) = $t->workers;

sub seen {
    my ($request) = $t->requests;
    return defined $request ? Test::Privacy::Upstream::header($request, $_[0]) // '' : 'no request';
}

sub hidden { return $_[0] =~ s/name="(?:token|return)" value="[^"]*"//gr }

sub requested { my ($uri, @headers) = @_; $t->requests; return $t->get($uri, @headers) }

# Cookie lines without a space after the semicolon

my $dense = join ';', map { 'sessionid=' . $_ % 10 } 1 .. 1300;
requested('/x', Cookie => $dense);
is(seen('Cookie') =~ s/; /;/gr, $dense, 'a dense line of cookies that pass arrives whole');
requested('/x', Cookie => "$dense;_ga=1");
is(seen('Cookie') =~ s/; /;/gr, $dense, 'and without what does not');

my $nine = join ';', map { "sessionid=$_" } 1 .. 9;
requested('/x', Cookie => "$nine;_ga=12345");
unlike(seen('Cookie'), qr/_ga/, "what is dropped is dropped, also where spaces make up for its length");
for my $pad (0 .. 8) {
    requested('/x', Cookie => "$nine;m=" . 'x' x $pad);
    unlike(seen('Cookie'), qr/\bm=/, "$pad bytes more");
}
requested('/x', Cookie => "$nine;privacy=");
unlike(seen('Cookie'), qr/privacy/, 'a cookie of ours');

# The only header there is, taken away, and another one put in its place

for my $try (1 .. 3) {
    my $c = $t->connect;
    $t->requests;
    $c->write("GET /x HTTP/1.0\r\nCookie: _ga=1\r\n\r\n");
    my $r = $c->read('GET');
    is($r->status, 200, 'HTTP/1.0 with nothing but a denied cookie');
    my ($request) = $t->requests;
    is(Test::Privacy::Upstream::header($request, 'X-Privacy-Consent'), '', 'the upstream is told of the consent');
    is(Test::Privacy::Upstream::header($request, 'X-Privacy-Version'), '2026-01-01', 'and of the version');
    is(Test::Privacy::Upstream::header($request, 'Cookie'), undef, 'and gets no cookie');
}

# Entity tags without anything between them

requested('/x', 'If-None-Match' => ('""' x 3000) . '"~"');
my $tags = seen('If-None-Match');
is($tags =~ tr/"//, 6002, 'a dense list of entity tags arrives whole');

# Cache-Control without spaces

for my $uri ('/dense', '/few') {
    my ($control) = $t->get($uri)->headers('Cache-Control');
    my $wanted = $uri eq '/dense' ? join ', ', map { sprintf 'x%03d', $_ } 1 .. 400
        : 'no-transform2, must-revalidate, proxy-revalidate, no-x, a, b, c, d';
    is($control, "private, no-cache, $wanted", 'a dense Cache-Control');
}

# Refused before the first phase, answered by an error page of the application

for my $how (
    ['a broken header line' => "GET /x HTTP/1.1\r\nHost: x\r\nCookie: _ga=1; sessionid=s\r\nX-Privacy-Consent: all\r\nbad header\r\n\r\n"],
    ['too large a header' => "GET /x HTTP/1.1\r\nHost: x\r\nCookie: _ga=1; sessionid=s\r\nX-Privacy-Consent: all\r\nLong: " . ('x' x 20000) . "\r\n\r\n"],
    ['no Host' => "GET /x HTTP/1.1\r\nCookie: _ga=1; sessionid=s\r\nX-Privacy-Consent: all\r\n\r\n"],
    ['TRACE' => "TRACE /x HTTP/1.1\r\nHost: x\r\nCookie: _ga=1; sessionid=s\r\nX-Privacy-Consent: all\r\n\r\n"],
) {
    my ($name, $bytes) = @$how;
    my $c = $t->connect;
    $t->requests;
    $c->write($bytes);
    my $r = $c->read('GET');
    is($r->status, 200, "$name: an error page");
    unlike($r->body, qr/^seen/, "$name: the rewrite phase does not see it");
    my ($request) = $t->requests;
    ok($request, "$name: made by the application") or next;
    is(Test::Privacy::Upstream::header($request, 'Cookie'), 'sessionid=s', "$name: which sees necessary cookies only");
    is(Test::Privacy::Upstream::header($request, 'X-Privacy-Consent'), '', "$name: and what was consented to");
}

# Refused by the centre, answered by an error page of the application, which then is no page of the centre

my $c = $t->connect;
$c->write("GET /privacy/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n");
my $r = $c->read('GET');
like($r->body, qr/hello/, 'a broken body: an error page') or diag($r->as_text);
is_deeply([$r->headers('Set-Cookie')], [], 'that sets no cookie in our name');
like($r->body, qr/id="privacy-banner"/, 'and is decorated like any other');

# The status page is a page of its own, not a part of others

$r = $t->get('/ssi/page.html');
is($r->status, 200, 'status in a subrequest');
like($r->body, qr/before.*after/s, 'does not answer for the page') or diag($r->as_text);

# Small pieces, each flushed, through gzip

my $whole = $t->get('/unbuffered/pieces', 'Accept-Encoding' => 'identity')->body;
like($whole, qr{<body><section id="privacy-banner".*</section><p>}s, 'a page in small pieces');
for my $try (1 .. 3) {
    my ($exit, $zipped) = $t->curl('--compressed', 'http://' . $t->listen . '/unbuffered/pieces');
    is($exit, 0, 'the same through gzip');
    is(hidden($zipped->body), hidden($whole), 'every byte of it');
}

# The upstream promises a page and goes away

$r = $t->get('/broken');
ok(!$r->complete || $r->status == 502, 'a page that never comes is not made whole') or diag($r->as_text);

is(($t->workers)[0], $worker, 'the worker is still the same');

$t->finish;
