#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# 103 Early Hints, where nginx passes them on: no cookie and nobody's name gets around the gate in one; `observe`
# changes nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('hints');
my ($major, $minor) = $t->nginx_version;
$t->skip('nginx passes 103 on since 1.29') if $major == 1 && $minor < 29;

$t->redis->start;
$t->upstream(sub {
    return { raw => join "\r\n", 'HTTP/1.1 103 Early Hints', 'Link: </a.css>; rel=preload; as=style',
        'Set-Cookie: _ga=early', 'set-cookie: sessionid=early', 'X-Privacy-User: alice', '',
        'HTTP/1.1 200 OK', 'Content-Type: text/plain', 'Set-Cookie: sessionid=late', 'X-Privacy-User: alice',
        'Content-Length: 2', '', 'ok' };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF', http => <<'HTTP'));
    location / { proxy_pass %%UPSTREAM%%; proxy_http_version 1.1; privacy_user_header X-Privacy-User; }
CONF
    early_hints 1;
    server {
        listen %%LISTENobserve%%;
        privacy observe;
        privacy_site %%SITE%%;
        location / { proxy_pass %%UPSTREAM%%; proxy_http_version 1.1; }
    }
HTTP
$t->start;

# Both responses, as they come
sub both {
    my (%options) = @_;
    my $c = $t->connect(%options);
    $c->write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    $c->{deadline} = time + 5;
    $c->_until(sub { 0 });
    return $c->{buffer} =~ /^(HTTP.1\.1 103.*?\r\n\r\n)(.*)$/s;
}

my ($early, $late) = both();
like($early, qr/^Link: /m, 'hints arrive');
unlike($early, qr/cookie/i, 'without cookies');
unlike($early, qr/alice/, 'and without a name');
like($late, qr/^Set-Cookie: sessionid=late\r$/m, 'the response keeps its own');
unlike($late, qr/alice/, 'and does not name her');

($early) = both(listen => 'observe');
like($early, qr/^Set-Cookie: _ga=early\r$/m, 'observe changes nothing');

$t->finish;
