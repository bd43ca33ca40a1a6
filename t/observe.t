#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# `observe`: not one byte of a response, nor of what the application gets, differs from an nginx without the module;
# what `enforce` would have done is counted, and the cookies are inventoried.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Compress::Gzip qw(gzip);
use IO::Socket::INET;
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('observe');
$t->redis->start;

my $page = '<!doctype html><html><head><title>t</title></head><body><div data-privacy="policy"></div>' . "<p>hello\n" x 50
    . '</body></html>';
gzip(\$page => \my $zipped, -Minimal => 1);

my @cookies = map { ('Set-Cookie' => $_) } (
    'sessionid=s; Path=/; HttpOnly; Secure; SameSite=Lax', '_ga=1; Domain=.Example.com; Path=/; Max-Age=63072000',
    'track_id=2; path=/ads; expires=Wed, 21 Oct 2065 07:28:00 GMT; HttpOnly', 'mystery=4; Priority=High; Partitioned',
    'privacy=not-ours', '=nameless', 'broken',
);

my %answers = (
    page => { body => $page },
    chunked => { body => [$page =~ /(.{1,100})/gs] },
    gzip => { body => $zipped, headers => ['Content-Encoding' => 'gzip', Vary => 'Accept-Encoding'] },
    etag => { body => $page, headers => [ETag => '"v1"', 'Last-Modified' => 'Wed, 21 Oct 2015 07:28:00 GMT'] },
    public => { body => $page, headers => ['Cache-Control' => 'public, max-age=60', ETag => 'W/"v2"'] },
    ssi => { body => '<html><body><!--# include virtual="/page" -->' },
    redirect => { status => 302, headers => [Location => '/page'], body => '' },
    missing => { status => 404, body => 'not here' },
    error => { status => 503, body => $page, headers => ['Retry-After' => 5] },
    empty => { status => 204, headers => [], body => undef },
    json => { body => '{"a":"</body>"}', headers => ['Content-Type' => 'application/json'] },
    accel => { body => '', headers => ['X-Accel-Redirect' => '/static.html'] },
    user => { body => $page, headers => ['X-Privacy-User' => 'alice'] },
    large => { body => $page x 400 },
);

$t->upstream(sub {
    my ($request) = @_;

    my ($kind) = $request->{uri} =~ m{^/(?:\w+/)?(\w+)};
    if ($kind eq 'echo') {
        my $said = join '', map { "$_->[0]: $_->[1]\n" } @{$request->{headers}};
        return { headers => ['Content-Type' => 'text/plain'], body => "$said\n$request->{body}" };
    }
    my $answer = $answers{$kind} or return { status => 500, body => "no $kind" };
    my @headers = @{$answer->{headers} || []};
    my %has = map { lc($_) => 1 } @headers;
    unshift @headers, 'Content-Type' => 'text/html; charset=utf-8' if !$has{'content-type'} && $kind ne 'empty';
    return { %$answer, headers => [@headers, @cookies] };
});

spew($t->dir . '/html/static.html', $page);
spew($t->dir . '/html/oops.html', '<html><body>oops</body></html>');
utime 1_700_000_000, 1_700_000_000, glob $t->dir . '/html/*.html';

my $locations = <<'CONF';
        port_in_redirect off;
        add_header Set-Cookie "added=1; Path=/" always;
        location / { proxy_pass %%UPSTREAM%%; USER }
        location /buffered { proxy_pass %%UPSTREAM%%; proxy_buffering off; }
        location /zip { proxy_pass %%UPSTREAM%%; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; }
        location /unzip { proxy_pass %%UPSTREAM%%; gunzip on; }
        location /kept { proxy_pass %%UPSTREAM%%; proxy_cache CACHE; proxy_ignore_headers Set-Cookie Cache-Control;
            proxy_cache_valid any 1m; add_header X-Cache $upstream_cache_status always; }
        location /ssi { proxy_pass %%UPSTREAM%%; ssi on; }
        location /sub { proxy_pass %%UPSTREAM%%; sub_filter hello bye; sub_filter_once off; }
        location /caught { proxy_pass %%UPSTREAM%%; proxy_intercept_errors on; error_page 404 503 /oops.html; }
        location /static.html { root %%DIR%%/html; }
        location /oops.html { root %%DIR%%/html; }
        location /here { return 302 /elsewhere; }
        location /text { default_type text/html; return 200 "<p>$cookie__ga</p>"; }
CONF

sub locations {
    my ($cache, $user) = @_;
    return $locations =~ s/CACHE/$cache/gr =~ s/USER/$user/gr;
}

# Plain nginx, without the module.

$t->config(<<'CONF' =~ s/LOCATIONS/locations('plain', '')/er);
pid %%DIR%%/plain.pid;
daemon off;
error_log %%DIR%%/plain.log;
lock_file %%DIR%%/plain.lock;
events { }
http {
    %%HTTP%%
    proxy_cache_path %%DIR%%/temp/plain keys_zone=plain:1m;
    server {
        listen %%LISTEN_plain%%;
LOCATIONS
    }
}
CONF
my $plain = $t->dir . '/plain.conf';
rename $t->dir . '/nginx.conf', $plain or die $!;
spew($plain, ($> == 0 ? "user nobody nogroup;\n" : '') . slurp($plain));
$t->spawn($t->{nginx}, '-p', $t->dir . '/', '-c', $plain, '-e', $t->dir . '/plain.log');

$t->publish($t->bundle);
my $more = 'privacy_user_header X-Privacy-User; privacy_session sessionid; privacy_marked on;';
$t->config(<<'CONF' =~ s/LOCATIONS/locations('ours', $more)/er);
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    proxy_cache_path %%DIR%%/temp/ours keys_zone=ours:1m;
    server {
        listen %%LISTEN%%;
        privacy observe;
        privacy_site %%SITE%%;
LOCATIONS
    }
    server {
        listen %%LISTEN_status%%;
        location = /status { privacy_status; }
        location = /elsewhere { return 204; }
    }
}
CONF
$t->start;

sub raw {
    my ($name, $request) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => $t->listen($name)) or die "connect: $!";
    print $socket $request;
    $socket->flush;
    local $/;
    my $answer = <$socket> // '';
    $answer = joined($answer);
    $answer =~ s/^Date: [^\r]*/Date: now/m;
    return $answer;
}

# Where a chunk ends depends on when the application's bytes came, with and without the module.
sub joined {
    my ($answer) = @_;

    my ($head, $rest) = split /\r\n\r\n/, $answer, 2;
    return $answer if $head !~ /^Transfer-Encoding: chunked/mi;
    my $body = '';
    while ($rest =~ s/^([0-9a-f]+)\r\n//i && hex $1) {
        $body .= substr $rest, 0, hex $1, '';
        $rest =~ s/^\r\n//;
    }
    return "$head\r\n\r\n$body$rest";
}

my $compared = 0;

sub same {
    my ($what, $request) = @_;

    $request =~ s/\n/\r\n/g if $request !~ /\r\n/;
    my ($expected, $got) = map { raw($_, $request) } '_plain', '';
    $compared++;
    return pass($what) if $expected eq $got && length $expected;
    fail($what);
    diag("without the module:\n", substr($expected, 0, 1500), "\nobserved:\n", substr($got, 0, 1500));
}

sub request {
    my ($method, $uri, @headers) = @_;

    my $body = @headers % 2 ? pop @headers : undef;
    my $text = "$method $uri HTTP/1.1\nHost: www.example\nConnection: close\n";
    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\n";
    }
    $text .= 'Content-Length: ' . length($body) . "\n" if defined $body;
    return ("$text\n" =~ s/\n/\r\n/gr) . ($body // '');
}

my @browser = (
    Cookie => 'sessionid=1;_ga=2 ;; track_id="3"; mystery; =x; privacy=forged; __Host-privacy-user=forged',
    Accept => 'text/html', 'Accept-Encoding' => 'gzip, br', 'Sec-GPC' => 1, 'X-Privacy-User' => 'alice',
    'Sec-Fetch-Dest' => 'document',
);

for my $kind (sort keys %answers) {
    same("GET /$kind", request('GET', "/$kind", @browser));
    same("HEAD /$kind", request('HEAD', "/$kind", @browser));
}
for my $uri (map({ my $where = $_; map { "/$where/$_" } qw(page gzip chunked error large) } qw(buffered zip unzip sub)),
    '/kept/page', '/kept/page', '/kept/redirect', '/kept/redirect', '/ssi', '/caught/missing', '/caught/error',
    '/static.html', '/here', '/text', '/nothing')
{
    same("GET $uri", request('GET', $uri, @browser));
}
same('no cookies', request('GET', '/page'));
same('HTTP/1.0', "GET /page HTTP/1.0\n\n");
same('a body', request('POST', '/echo', @browser, 'Content-Type' => 'text/plain', "a=1\nb=2\n"));
same('what the application gets', request('GET', '/echo', @browser, 'X-Privacy-Consent' => 'all', DNT => 1));
same('cookies on two lines', request('GET', '/echo', Cookie => '_ga=1', Cookie => ' sessionid=2;track_id=3 '));
same('a conditional request', request('GET', '/etag', @browser, 'If-None-Match' => '"v1"'));
same('a conditional request for a file', request('GET', '/static.html', 'If-Modified-Since' =>
    'Tue, 14 Nov 2023 22:13:20 GMT'));
same('a range', request('GET', '/static.html', Range => 'bytes=10-19'));
same('several ranges, refused', request('GET', '/static.html', Range => 'bytes=999999-'));
same('a bad request', "GET / HTTP/1.1\nHost: a b\n\n");
same('an unknown method', request('BREW', '/page', @browser));
cmp_ok($compared, '>', 50, 'so many responses');

# What was learned

my $status = json($t->connect(listen => '_status')->request('GET', '/status')->body);
my ($site) = grep { $_->{name} eq $t->site } @{$status->{sites}};
is($site->{mode}, 'observe', 'the status names the mode');
my $counters = $site->{counters};
cmp_ok($counters->{cookies_dropped_response}, '>', 100, 'cookies that enforce would have dropped');
cmp_ok($counters->{cookies_dropped_request}, '>', 100, 'in requests');
cmp_ok($counters->{cookies_passed_response}, '>', 50, 'and that it would have let through');
is($counters->{cookies_expired}, 0, 'nothing was expired');

my %seen = map { $_->{name} => $_ } @{$site->{inventory}};
ok($seen{sessionid} && $seen{sessionid}{declared}, 'a declared cookie');
ok($seen{mystery} && !$seen{mystery}{declared}, 'an undeclared one');
ok($seen{added}, 'one that nginx itself sets');
ok(!$seen{forged} && !grep({ /^(?:__Host-)?privacy/ } keys %seen), 'what only a client says is not in it, nor is ours');
is($seen{_ga}{domain}, 'example.com', 'Domain');
is($seen{track_id}{path}, '/ads', 'Path');
is($seen{_ga}{lifetime}, 63072000, 'lifetime');
cmp_ok($seen{track_id}{lifetime}, '>', 30 * 365 * 86400, 'lifetime, of a date');
is($seen{sessionid}{lifetime}, -1, 'a session cookie');
cmp_ok($seen{mystery}{count}, '>', 30, 'how often');
is($seen{mystery}{dropped}, $seen{mystery}{count}, 'and how often it would have been dropped');

my ($exit, $said) = $t->ctl('inventory', '--url', 'http://' . $t->listen('_status') . '/status');
is($exit, 0, 'privacyctl inventory');
like($said, qr/\b$_\b/, "lists $_") for qw(sessionid mystery track_id);

$t->finish;
