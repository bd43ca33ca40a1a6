#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# `make asan` proves that it looks: a module built with the same flags breaks its memory, and that is reported.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Basename qw(dirname);
use Test::More;
use Test::Privacy;

plan(skip_all => 'only under make asan') if !$ENV{TEST_SANITIZE};

my $canary = dirname($ENV{TEST_NGINX_MODULE}) . '/ngx_http_canary_module.so';
my $t = Test::Privacy->new('sanitizer', modules => [$canary]);
$t->config(<<'CONF');
%%MAIN%%
http {
    %%HTTP%%
    server {
        listen %%LISTEN%%;
        location / { return 200 "still here"; }
        location /overflow { canary; }
        location /shift { canary; }
    }
}
CONF

$t->start;
is($t->get('/')->status, 200, 'nginx runs under the sanitizers');
is_deeply([$t->problems], [], 'and reports nothing of itself');

$t->get('/shift');
ok(wait_for(sub { grep { /shift exponent/ } $t->problems }), 'UBSan saw the shift');
$t->get('/overflow');
ok(wait_for(sub { grep { /heap-buffer-overflow/ } $t->problems }), 'ASan saw the overflow');

$t->allow(qr/shift exponent/, qr/heap-buffer-overflow/, qr/exited (?:on signal|with code)/, qr/runtime error/);
$t->finish;
