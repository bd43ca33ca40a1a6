#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# nginx -t: what is right passes; what is wrong is refused with file, line and what was expected.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('load');
my $keys = $t->keys_dir;
my $key = "key=$keys/example.pub";

my %default = (
    zone => 'privacy_zone 4m;', redis => 'privacy_redis redis://127.0.0.1:6379/0;', keys => "privacy_keys $keys/keys;",
    cache => 'privacy_cache_path ' . $t->dir . '/cache;', http => '', mode => 'privacy enforce;',
    site => "privacy_site example $key;", center => 'location /privacy/ { privacy_center; }', server => '', location => '',
);

sub check {
    my (%changes) = @_;

    my %c = (%default, %changes);
    $t->config(<<"CONF");
%%MAIN%%
http {
    %%HTTP%%
    $c{zone}
    $c{redis}
    $c{keys}
    $c{cache}
    $c{http}
    server {
        listen %%LISTEN%%;
        $c{mode}
        $c{site}
        $c{server}
        location / { $c{location} }
        $c{center}
    }
}
CONF
    return $t->check_config;
}

sub accepted {
    my ($name, %changes) = @_;

    my ($status, $said) = check(%changes);
    is($status, 0, $name) or diag($said);
}

sub refused {
    my ($name, $pattern, %changes) = @_;

    my ($status, $said) = check(%changes);
    my @emerg = grep { /\[emerg\]/ } split /\n/, $said;
    ok($status != 0, "$name is refused");
    like($emerg[0] // $said, $pattern, "$name: says what was expected");
    like($emerg[0] // $said, qr{nginx\.conf:\d+}, "$name: names file and line");
}

accepted('the smallest configuration');
accepted('without a zone there is a default one', zone => '');
accepted('without Redis pages are still gated', redis => '');
accepted('observe needs no centre', mode => 'privacy observe;', center => '');
accepted('off', mode => 'privacy off;', site => '', keys => '');
accepted('all directives of a server', server => <<'END', location => <<'END2');
        privacy_origin https://www.example.com;
        privacy_cookie_domain .example.com;
        privacy_lease 5m grace=1h;
        privacy_necessary sessionid csrf_*;
        privacy_forward on;
        location = /.well-known/gpc.json { privacy_gpc; }
        location = /status { privacy_status; }
END
        privacy_user_header X-Privacy-User;
        privacy_session sessionid other;
        privacy_decorate shared;
        privacy_banner_place end;
        privacy_marked on;
END2
accepted("privacy_redis $_", redis => "privacy_redis $_;")
    for 'redis://127.0.0.1', 'redis://127.0.0.1:6380/3', 'redis://user:secret@127.0.0.1:6379/0', 'unix:/run/redis.sock';

refused('an unknown mode', qr/invalid value "on"/, mode => 'privacy on;');
refused('a zone that is too small', qr/at least 1m/, zone => 'privacy_zone 4k;');
refused('a zone that is no size', qr/expected at least/, zone => 'privacy_zone much;');
refused('two zones', qr/duplicate/, http => 'privacy_zone 4m;');
refused('a Redis that is no URL', qr/redis:/, redis => 'privacy_redis localhost;');
refused('another scheme', qr/redis:/, redis => 'privacy_redis http://127.0.0.1/;');
refused('a database that is no number', qr/database|redis:/, redis => 'privacy_redis redis://127.0.0.1/x;');
refused('a port out of range', qr/port/, redis => 'privacy_redis redis://127.0.0.1:70000/0;');
refused('a key file that is not there', qr/No such file/, keys => "privacy_keys $keys/none;");
refused('a site name with a slash', qr/expected 1 to 64 characters/, site => "privacy_site a/b $key;");
refused('a site without a key', qr/key=FILE|number of arguments/, site => 'privacy_site example;');
refused('a site key that is not one', qr/expected key=FILE/, site => 'privacy_site example public;');
refused('a public key file with something else', qr/privacy-publication-public/,
    site => "privacy_site example key=$keys/keys;");
refused('enforce without a centre', qr/privacy_center/, center => '');
refused('a server without a site', qr/privacy_site/, site => '');
refused('an origin with a path', qr{https://www\.example}, server => 'privacy_origin https://www.example.com/path;');
refused('an origin that is none', qr{https://www\.example}, server => 'privacy_origin www.example.com;');
refused('a lease that is no time', qr/expected a time/, server => 'privacy_lease soon;');
refused('a grace that is no time', qr/grace=TIME/, server => 'privacy_lease 5m grace=long;');
refused('a decoration that is not known', qr/invalid value "both"/, server => 'privacy_decorate both;');
refused('a place that is not known', qr/invalid value "middle"/, server => 'privacy_banner_place middle;');
refused('a centre without a slash at its end', qr/ends with a slash/, center => 'location /privacy { privacy_center; }');
refused('a centre in a regular expression', qr/plain location/, center => 'location ~ /privacy/ { privacy_center; }');
refused('two centres', qr/duplicate/, server => 'location /other/ { privacy_center; }');
refused('a centre with a space', qr/letters, digits/, center => 'location "/pri vacy/" { privacy_center; }');
refused('no keys', qr/privacy_keys/, keys => '');
refused('a folder of templates that is not there', qr/expected a folder/, http => 'privacy_templates /nonexistent;');
refused('a file where a folder is wanted', qr/expected a folder/, cache => "privacy_cache_path $keys/keys;");
refused('an empty folder name', qr/needs a folder/, cache => 'privacy_cache_path "";');
refused('proof days that are no number', qr/number/, server => 'privacy_proof_days many;');
refused('proof days past all bounds', qr/between 0 and 36500/, server => 'privacy_proof_days 99999999;');
refused('forward that is neither', qr/"on" or "off"/, server => 'privacy_forward yes;');
refused('marked that is neither', qr/"on" or "off"/, server => 'privacy_marked yes;');
refused("a cookie domain $_", qr/expected a domain/, server => "privacy_cookie_domain $_;")
    for 'localhost', '.com', 'example.com:80', '"a b"';
refused("a session cookie $_", qr/cookie name|is empty/, location => "privacy_session $_;") for '"a b"', 'a=b', '""';
refused("a necessary cookie $_", qr/cookie name|at its ends|every cookie|is empty/, server => "privacy_necessary $_;")
    for '"a;b"', 'a*b', '*', '""';
refused('a user who is always the same', qr/expected a variable/, location => 'privacy_user alice;');
refused('a database out of range', qr/up to 16383/, redis => 'privacy_redis unix:/run/redis.sock?db=99999;');
refused('a cluster with a database', qr/has no databases/, redis => 'privacy_redis cluster://127.0.0.1/1;');
refused('sentinels without a name', qr/by which the sentinels know the master/,
    redis => 'privacy_redis sentinel://127.0.0.1;');
refused('a hundred hosts', qr/more than 16 hosts/,
    redis => 'privacy_redis cluster://' . join(',', ('127.0.0.1') x 100) . ';');
refused('a certificate without TLS', qr/need "tls=on"/, redis => 'privacy_redis cluster://127.0.0.1?ca=x;');
refused('a user of Redis without a password', qr/without a password/, redis => 'privacy_redis redis://user@127.0.0.1;');
refused('a password file that is not there', qr/nonexistent/,
    redis => 'privacy_redis redis://user@127.0.0.1?password_file=/nonexistent;');
refused('authorities that are not there', qr/nonexistent/, redis => 'privacy_redis rediss://127.0.0.1?ca=/nonexistent;');
refused('a certificate without its key', qr/need each other/, redis => 'privacy_redis rediss://127.0.0.1?cert=/x;');
refused('authorities without TLS', qr/"ca" is nothing/, redis => 'privacy_redis redis://127.0.0.1?ca=/x;');
refused('a verification that is neither', qr/verify=off/, redis => 'privacy_redis rediss://127.0.0.1?verify=no;');
refused('a host that nobody knows', qr/host not found/, redis => 'privacy_redis redis://no.such.host.invalid;');
refused('more than one word', qr/number of arguments/, location => 'privacy_user_header X-A X-B;');
refused('a directive in a place that is not its own', qr/not allowed here/, location => $_)
    for 'privacy observe;', "privacy_site example $key;", 'privacy_zone 4m;';
accepted('nobody is logged in below', location => 'privacy_user "";');
refused('a header name with a colon', qr/header name/, server => 'privacy_user_header X:User;');

# A broken key file: every line is named.

spew($t->dir . '/broken', "cookie 00 short\nnonsense\nledger zz AAAA\n");
chmod 0600, $t->dir . '/broken';
my ($status, $said) = check(keys => 'privacy_keys ' . $t->dir . '/broken;');
isnt($status, 0, 'a broken key file is refused');
like($said, qr/broken:$_\b/, "line $_ is named") for 1 .. 3;

$t->finish;
