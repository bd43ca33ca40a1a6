#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The visitor's way over HTTP/2, with TLS and without, and over HTTP/1.1 beside it: banner, accept, withdraw, what is
# refused, and that the same is recorded.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('http2');
my $dir = $t->dir;
is(system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=www.example -keyout $dir/tls.key "
    . "-out $dir/tls.pem 2>/dev/null"), 0, 'a certificate');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my $cookies = Test::Privacy::Upstream::header($request, 'Cookie') // '';
    return { headers => ['Content-Type' => 'text/html; charset=utf-8', 'Set-Cookie' => 'sessionid=s; Path=/',
            'Set-Cookie' => '_ga=1; Path=/; Partitioned; Priority=High', 'Set-Cookie' => 'foreign=1; Path=/'],
        body => "<!doctype html><html><head><title>t</title></head><body><p>you sent [$cookies]</body></html>" };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    listen %%LISTEN_h2c%% http2;
    listen %%LISTEN_tls%% ssl http2;
    ssl_certificate %%DIR%%/tls.pem;
    ssl_certificate_key %%DIR%%/tls.key;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "$privacy_subject" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;

sub records {
    my ($subject) = @_;
    my ($status, $out) = $t->ctl('ledger', $t->ctl_site, '--keys', $t->keys_dir . '/keys',
        '--public', $t->keys_dir . '/example.pub', '--json', $subject);
    return $status ? $out : join ' ', map { $_->{how} } @{json($out)->{records}};
}

my $network = 0;
for my $way (
    ['HTTP/2 over TLS', '2', 'https://' . $t->listen('_tls'), '--http2'],
    ['HTTP/2 in the clear', '2', 'http://' . $t->listen('_h2c'), '--http2-prior-knowledge'],
    ['HTTP/1.1 over TLS', '1.1', 'https://' . $t->listen('_tls'), '--http1.1'],
) {
    my ($name, $version, $url, $option) = @$way;
    my $tls = $url =~ /^https/;
    my $own = $tls ? '__Host-privacy' : 'privacy';
    my $jar = "$dir/jar." . ++$network;
    my $page;

    my $get = sub {
        my ($path, @more) = @_;
        push @more, '-H', 'Sec-Fetch-Site: same-origin' if !grep { /^Sec-Fetch-Site/ } @more;
        my ($exit, $r) = $t->curl('-k', $option, '-b', $jar, '-c', $jar, '-H', "X-Real-IP: 10.4.$network.1",
            '-H', 'Accept-Language: en', @more, "$url$path");
        is($exit, 0, "$name: curl $path") or diag($r->as_text);
        return $r;
    };
    my $post = sub {
        my ($choice, @more) = @_;
        my ($token) = $page->body =~ /name="token" value="([^"]+)"/ or die 'no form';
        return $get->('/privacy/choices', '--data', "token=$token&choice=$choice", @more);
    };

    my $r = $page = $get->('/');
    like($r->{version}, qr/^\Q$version\E/, "$name: really");
    like($r->body, qr/id="privacy-banner"/, "$name: the banner");
    is_deeply([$r->cookies], ['sessionid'], "$name: the necessary cookie passes, nothing of ours before a choice");

    is($get->('/privacy/choices', '-X', 'POST', '-H', 'Sec-Fetch-Site: cross-site')->status, 403,
        "$name: from another site: no");
    $r = $post->('accept_all');
    is($r->status, 303, "$name: accepted");
    my ($cookie) = grep { /^\Q$own\E=/ } $r->headers('Set-Cookie');
    like($cookie, qr/HttpOnly/, "$name: the cookie is not for scripts");
    ($tls ? \&like : \&unlike)->($cookie, qr/;\s*Secure/, "$name: and secure where it can be");

    my $form = $page;
    $r = $get->('/', '-H', 'Cookie: foreign=2; _ga=1');
    unlike($r->body, qr/id="privacy-banner"/, "$name: no banner any more") or diag($r->as_text);
    $r = $get->('/');
    is($r->header('X-Consent'), '<analytics,marketing>', "$name: all is granted");
    is_deeply([$r->cookies], ['_ga', 'sessionid'], "$name: its cookie passes");
    like((grep { /^_ga=/ } $r->headers('Set-Cookie'))[0], qr/; Partitioned; Priority=High$/, "$name: as it was written");
    like($get->('/')->body, qr/you sent \[(?=.*_ga=1)(?!.*foreign)(?!.*privacy)/, "$name: and goes up, ours does not");
    my $subject = $r->header('X-Subject');

    $page = $get->('/privacy/choices');
    $r = $post->('withdraw');
    is($r->status, 303, "$name: withdrawn");
    $r = $get->('/');
    is($r->header('X-Consent'), '<>', "$name: nothing is granted");
    unlike($r->body, qr/you sent \[[^\]]*_ga/, "$name: the cookie does not go up");

    $page = $form;
    is($post->('accept_all')->status, 409, "$name: the accept again, after it: no");
    is($get->('/privacy/choices', '-H', 'Transfer-Encoding: chunked', '--data', 'token=' . 'x' x 17_000)->status, 413,
        "$name: too large, and not said beforehand");
    is($get->('/privacy/choices', '-X', 'DELETE')->status, 405, "$name: another method");

    my ($token) = $get->('/privacy/choices', '-H', 'Accept: application/json')->body =~ /"token":"([^"]+)"/;
    $r = $get->('/privacy/choices', '-H', 'Content-Type: application/json',
        '--data', qq({"token":"$token","choice":"custom","purposes":{"analytics":true,"marketing":false}}));
    is($r->status, 200, "$name: a choice as JSON") or diag($r->as_text);
    is($get->('/')->header('X-Consent'), '<analytics>', "$name: counts");

    is(records($subject), 'accept_all withdraw custom', "$name: the ledger has it, and holds");
}

$t->finish;
