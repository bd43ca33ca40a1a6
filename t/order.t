#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The one filter position: after everything that adds a Set-Cookie, after SSI and gunzip, before gzip. The same for the
# dynamic and the static build.

use strict;
use warnings;

use Compress::Zlib ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $page = "<!DOCTYPE html><html><head><title>x</title></head><body><p>hello</p></body></html>\n";

my $t = Test::Privacy->new('order');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my @type = ('Content-Type' => 'text/html; charset=utf-8');
    return { headers => [@type, 'Content-Encoding' => 'gzip'], body => Compress::Zlib::memGzip($page) }
        if $request->{uri} eq '/gzipped';
    return { headers => \@type, body => '<p>fragment</p>' } if $request->{uri} eq '/fragment';
    return {
        headers => \@type,
        body => '<html><head></head><body><!--# include virtual="/fragment" --><p>after</p></body></html>',
    } if $request->{uri} eq '/ssi';
    return { headers => \@type, body => $page };
});
$t->publish($t->bundle);
$t->config(<<'CONF');
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    gzip_min_length 1;
    gzip_types text/plain;
    server {
        listen %%LISTEN%%;
        privacy enforce;
        privacy_site %%SITE%%;
        location / { proxy_pass %%UPSTREAM%%; }
        location /privacy/ { privacy_center; }
        location /gzip/ { gzip on; proxy_pass %%UPSTREAM%%/; }
        location /gunzip/ { gunzip on; proxy_pass %%UPSTREAM%%/; proxy_set_header Accept-Encoding gzip; }
        location /both/ { gunzip on; gzip on; proxy_pass %%UPSTREAM%%/; proxy_set_header Accept-Encoding gzip; }
        location = /ssi { ssi on; proxy_pass %%UPSTREAM%%/ssi; }
        location = /fragment { proxy_pass %%UPSTREAM%%/fragment; }
        location = /sub { sub_filter hello world; proxy_pass %%UPSTREAM%%/page; }
        location = /addition { add_after_body /fragment; proxy_pass %%UPSTREAM%%/page; }
        location = /expires {
            expires 1h;
            userid on;
            userid_name uid;
            add_header Set-Cookie "_ga=1";
            proxy_pass %%UPSTREAM%%/;
        }
    }
}
CONF
$t->start;
ok(wait_for(sub { $t->get('/privacy/', Accept => 'application/json')->status == 200 }), 'the policy arrives')
    or diag($t->log);

my $banner = qr/class="privacy-/;
my $r = $t->get('/page');
like($r->body, $banner, 'a page has the banner');
ok($r->complete, 'and is complete');

$r = $t->get('/gzip/page', 'Accept-Encoding' => 'gzip');
is($r->header('Content-Encoding'), 'gzip', 'gzip still comes after us');
like(Compress::Zlib::memGunzip($r->body) // '', $banner, 'with the banner inside');

$r = $t->get('/gunzip/gzipped');
is($r->header('Content-Encoding'), undef, 'gunzip comes before us');
like($r->body, $banner, 'and the banner is in what it made');

$r = $t->get('/gunzip/gzipped', 'Accept-Encoding' => 'gzip');
is($r->header('Content-Encoding'), undef, 'also for a client that takes gzip');
like($r->body, $banner, 'with the banner');

$r = $t->get('/both/gzipped', 'Accept-Encoding' => 'gzip');
is($r->header('Content-Encoding'), 'gzip', 'gunzip, banner, gzip');
like(Compress::Zlib::memGunzip($r->body) // '', $banner, 'with the banner inside');

$r = $t->get('/gzipped', 'Accept-Encoding' => 'gzip');
is(Compress::Zlib::memGunzip($r->body), $page, 'encoded without gunzip: passes as it is');

$r = $t->get('/ssi');
like($r->body, qr{<p>fragment</p><p>after</p>}, 'SSI has merged its fragment');
my $count = () = $r->body =~ /<form\b/g;
is($count, 1, 'and there is one banner');
unlike($r->body, qr/<!--#/, 'nothing of SSI is left');

like($t->get('/sub')->body, qr/world/, 'sub_filter');
$r = $t->get('/addition');
like($r->body, qr/fragment/, 'addition');
$count = () = $r->body =~ /<form\b/g;
is($count, 1, 'one banner');

$r = $t->get('/expires');
is_deeply([$r->cookies], [], 'userid and add_header are gated');

$t->finish;
