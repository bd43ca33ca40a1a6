#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The cookies that are ours: how they are named and marked over TLS, behind a balancer and across subdomains, and that
# nothing but the exact thing counts. Whatever is odd about one, the visitor is undecided and the page is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('cookies');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my @headers = ('Content-Type' => 'text/html',
        'X-Cookie' => Test::Privacy::Upstream::header($request, 'Cookie') // 'none');
    push @headers, map { ('Set-Cookie' => "$_=theirs; Path=/; Secure") }
        qw(privacy __Host-privacy __Secure-privacy __HOST-Privacy Privacy privacy-user __Host-privacy-user)
        if $request->{uri} =~ /hostile/;
    return { headers => \@headers, body => '<!doctype html><html><head><title>t</title></head><body>x</body></html>' };
});
$t->publish($t->bundle);

my $dir = $t->dir;
is(system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=www.example -keyout $dir/tls.key "
    . "-out $dir/tls.pem 2>/dev/null"), 0, 'a certificate');

my ($status, $said) = $t->ctl('keygen', '--site', 'other', $dir . '/other');
is($status, 0, 'keys of another node, for another site') or diag($said);

my $locations = 'add_header X-Consent "<$privacy_consent>" always; '
    . 'location / { proxy_pass %%UPSTREAM%%; } location /privacy/ { privacy_center; }';
$t->config(<<'CONF' =~ s/LOCATIONS/$locations/gr);
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    server { listen %%LISTEN%%; privacy enforce; privacy_site %%SITE%%; LOCATIONS }
    server {
        listen %%LISTEN_tls%% ssl http2;
        ssl_certificate %%DIR%%/tls.pem;
        ssl_certificate_key %%DIR%%/tls.key;
        privacy enforce;
        privacy_site %%SITE%%;
        LOCATIONS
    }
    server {
        listen %%LISTEN_balanced%%;
        privacy enforce;
        privacy_site %%SITE%%;
        privacy_origin https://www.example;
        LOCATIONS
    }
    server {
        listen %%LISTEN_shop%%;
        privacy enforce;
        privacy_site %%SITE%%;
        privacy_origin https://shop.example.com;
        privacy_cookie_domain .example.com;
        LOCATIONS
    }
    server {
        listen %%LISTEN_blog%%;
        privacy enforce;
        privacy_site %%SITE%%;
        privacy_origin https://blog.example.com;
        privacy_cookie_domain .example.com;
        LOCATIONS
    }
    server {
        listen %%LISTEN_other%%;
        privacy enforce;
        privacy_site other key=%%DIR%%/other/other.pub;
        LOCATIONS
    }
}
CONF
$t->start;

sub consent { return $_[0]->header('X-Consent') // 'no header' }
sub ours { my ($r) = @_; return grep { /^[^=]*privacy[^=]*=/i } $r->headers('Set-Cookie') }

# Plain HTTP is for development

my $v = $t->visitor;
$v->get('/');
my ($set) = ours($v->choose('accept_all'));
like($set, qr{^privacy=[\w-]{40,239}; Max-Age=\d+; Path=/; HttpOnly; SameSite=Lax$}, 'plain HTTP: what could be set');
my ($age) = $set =~ /Max-Age=(\d+)/;
cmp_ok($age, '<=', 400 * 86400, 'not longer than browsers keep any');
my $plain = $v->consent;

# Behind a balancer that ends TLS

my $balanced = $t->visitor(listen => '_balanced', headers => [Host => 'www.example']);
$balanced->get('/');
($set) = ours($balanced->choose('accept_all'));
like($set, qr{^__Host-privacy=[\w-]{40,239}; Max-Age=\d+; Path=/; HttpOnly; Secure; SameSite=Lax$},
    'behind a balancer: the prefix that browsers guard');
my $good = $balanced->consent;

sub over { my ($cookie, @more) = @_; return $t->connect(listen => '_balanced')->request('GET', '/',
    headers => [map({ (Cookie => $_) } $cookie, @more)]) }

is(consent(over("__Host-privacy=$good")), '<analytics,marketing>', 'it counts');
is(consent(over("a=1; __Host-privacy=$good;b=2")), '<analytics,marketing>', 'among others');
is(consent(over('a=1', "__Host-privacy=$good")), '<analytics,marketing>', 'on a line of its own');

# Nothing else does

my %odd = (
    'without its prefix' => "privacy=$good",
    'with the other prefix' => "__Secure-privacy=$good",
    'in another case' => "__host-privacy=$good",
    'twice, the same' => "__Host-privacy=$good; __Host-privacy=$good",
    'twice, one forged' => "__Host-privacy=$good; __Host-privacy=x",
    'in quotes' => "__Host-privacy=\"$good\"",
    'with something behind it' => "__Host-privacy=${good}A",
    'cut' => '__Host-privacy=' . substr($good, 0, -1),
    'cut to its half' => '__Host-privacy=' . substr($good, 0, length($good) / 2),
    'empty' => '__Host-privacy=',
    'oversized' => '__Host-privacy=' . 'A' x 4000,
    'of spaces in between' => '__Host-privacy=' . substr($good, 0, 20) . ' ' . substr($good, 20),
    'escaped' => '__Host-privacy=%41' . substr($good, 1),
);
for my $how (sort keys %odd) {
    my $r = over($odd{$how});
    is($r->status . consent($r), '200<>', "$how: undecided");
    is($r->header('X-Cookie'), 'none', "$how: the application sees nothing of it");
    like($r->body, qr/id="privacy-banner"/, "$how: and the visitor is asked");
}
is(consent(over("__Host-privacy=$good", "__Host-privacy=$good")), '<>', 'twice, on two lines: undecided');

my $wrong = 0;
for my $at (map { $_ * 5 % length $good } 0 .. 40) {
    my $forged = $good;
    substr($forged, $at, 1) = substr($forged, $at, 1) eq 'A' ? 'B' : 'A';
    $wrong++ if consent(over("__Host-privacy=$forged")) ne '<>';
}
is($wrong, 0, 'one character changed, anywhere: undecided');

my $other = $t->connect(listen => '_other')->request('GET', '/', headers => [Cookie => "privacy=$plain"]);
is(consent($other), '<>', 'another site on this node does not take it');

# What the application sets under our names does not reach the browser

my $hostile = $t->connect(listen => '_balanced')->request('GET', '/hostile');
is_deeply([ours($hostile)], [], 'nobody else sets a cookie of ours, nor a look-alike');

# TLS, HTTP/1.1 and 2

my $url = 'https://' . $t->listen('_tls');
for my $version ('--http1.1', '--http2') {
    my ($exit, $r) = $t->curl('-k', $version, "$url/", '-H', "Cookie: __Host-privacy=$good", '-H', 'Cookie: a=1');
    is($exit, 0, "$version over TLS");
    like($r->{version}, $version eq '--http2' ? qr/^2/ : qr/^1\.1/, 'really');
    is(consent($r), '<analytics,marketing>', 'the same cookie, also in crumbs');
    is($r->header('X-Cookie'), 'none', 'and what is not declared is gone');
    ($exit, $r) = $t->curl('-k', $version, "$url/", '-H', "Cookie: privacy=$plain");
    is(consent($r), '<>', 'the one of plain HTTP is no good over TLS');
}

# One choice for all subdomains

my $shop = $t->visitor(listen => '_shop', headers => [Host => 'shop.example.com']);
$shop->get('/');
($set) = ours($shop->choose('accept_all'));
like($set, qr{^__Secure-privacy=[\w-]{40,239}; Max-Age=\d+; Path=/; Domain=\.example\.com; HttpOnly; Secure; SameSite=Lax$},
    'for all subdomains');
my $shared = $shop->jar->{'__Secure-privacy'};
my $blog = $t->connect(listen => '_blog')->request('GET', '/', headers => [Host => 'blog.example.com',
    Cookie => "__Secure-privacy=$shared"]);
is(consent($blog), '<analytics,marketing>', 'a choice on one holds on the other');
my $fixed = $t->connect(listen => '_blog')->request('GET', '/', headers => [Cookie => "__Host-privacy=$shared"]);
is(consent($fixed), '<>', 'under that name only');

# Rotation: the old key verifies, the new one signs

($status, $said) = $t->ctl('keygen', '--rotate', 'cookie', $t->keys_dir . '/keys');
is($status, 0, 'a new cookie key') or diag($said);
ok($t->reload, 'and a reload');
is(consent(over("__Host-privacy=$good")), '<analytics,marketing>', 'cookies of the old key still count');
$balanced->get('/privacy/choices');
is($balanced->choose('custom', purpose => ['analytics'])->status, 303, 'a new choice');
is(consent($balanced->get('/')), '<analytics>', 'is signed with the new one, and counts');

my $keys = slurp($t->keys_dir . '/keys');
my @cookie_keys = $keys =~ /^(cookie .*)$/mg;
is(scalar @cookie_keys, 2, 'two keys');
spew($t->keys_dir . '/keys', $keys =~ s/^\Q$cookie_keys[1]\E\n//mr);
chmod 0600, $t->keys_dir . '/keys';
ok($t->reload, 'the old key is taken away');
ok(wait_for(sub { consent(over("__Host-privacy=$good")) eq '<>' }), 'its cookies are undecided from then on');
is(consent($balanced->get('/')), '<analytics>', 'those of the new one count');

$t->finish;
