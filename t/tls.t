#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis over TLS: the server is verified by authority and name, a client certificate is shown where it is asked for,
# passwords come from files; nginx and privacyctl alike.

use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('tls', workers => 2);
my $dir = $t->dir;
my $port = do {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => $t->address, LocalPort => 0) or die "no free port: $!";
    $s->sockport;
};

sub openssl { system("openssl @_ >> $dir/openssl.log 2>&1") == 0 or die "openssl @_: see $dir/openssl.log" }

sub authority {
    my ($name) = @_;
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -keyout $dir/$name.key -out $dir/$name.crt");
}

# A certificate of the first authority, for these names.
sub certificate {
    my ($name, $for) = @_;
    spew("$dir/$name.ext", "subjectAltName=$for\n");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $dir/$name.key -out $dir/$name.csr");
    openssl("x509 -req -days 2 -in $dir/$name.csr -CA $dir/ca.crt -CAkey $dir/ca.key -CAcreateserial"
        . " -extfile $dir/$name.ext -out $dir/$name.crt");
}

authority($_) for 'ca', 'other';
certificate('server', 'IP:' . $t->address . ',DNS:redis.example');
certificate('client', 'DNS:client');
spew("$dir/password", "sesame %@?\nnot this\n");
chmod 0644, glob "$dir/*.key";

$t->redis->start("tls-port $port", "bind " . $t->address, "tls-cert-file $dir/server.crt",
    "tls-key-file $dir/server.key", "tls-ca-cert-file $dir/ca.crt", 'tls-auth-clients yes',
    'user nginx on >"sesame %@?" ~* &* +@all');

my $server = 'nginx@' . $t->address . ":$port";
my $client = "cert=$dir/client.crt&key=$dir/client.key&password_file=$dir/password";
my $good = "rediss://$server/1?ca=$dir/ca.crt&$client";
my @site = ('--site', $t->site, '--key', $t->keys_dir . '/example.key', '--yes');

# privacyctl

my ($status, $out) = $t->ctl('publish', $t->bundle, @site, '--redis', $good);
is($status, 0, 'published over TLS') or diag($out);
my @public = ('--site', $t->site, '--public', $t->keys_dir . '/example.pub');
($status, $out) = $t->ctl('versions', @public, '--redis', $good);
like($out, qr/2026-01-01/, 'and read again');

spew("$dir/late.ext", 'subjectAltName=IP:' . $t->address . "\n");
openssl("req -newkey rsa:2048 -nodes -subj /CN=late -keyout $dir/late.key -out $dir/late.csr");
openssl("x509 -req -days -1 -in $dir/late.csr -CA $dir/ca.crt -CAkey $dir/ca.key -CAcreateserial"
    . " -extfile $dir/late.ext -out $dir/late.crt");
chmod 0644, "$dir/late.key";
my %wrong = (
    'another authority' => "rediss://$server/1?ca=$dir/other.crt&$client",
    'the system\'s authorities' => "rediss://$server/1?$client",
    'another name' => "$good&name=redis2.example",
    'no client certificate' => "rediss://$server/1?ca=$dir/ca.crt&password_file=$dir/password",
    'no TLS where TLS is spoken' => "redis://$server/1?password_file=$dir/password",
);

for my $what (sort keys %wrong) {
    ($status, $out) = $t->ctl('versions', @public, '--redis', $wrong{$what});
    is($status, 3, "$what: not believed");
}
like(($t->ctl('versions', @public, '--redis', $wrong{'another name'}))[1], qr/hostname mismatch/i, 'which is said');

($status) = $t->ctl('versions', @public, '--redis', "$good&name=redis.example");
is($status, 0, 'a name of its own for the certificate');
($status) = $t->ctl('versions', @public, '--redis', "rediss://$server/1?$client&verify=off");
is($status, 0, 'unless nobody is to be verified');
($status, $out) = $t->ctl('versions', @public, '--redis', "rediss://$server/1?colour=red");
is($status, 2, 'a parameter that there is not');

# nginx

sub config {
    my ($url) = @_;
    $t->config(<<"CONF");
%%MAIN%%
http {
    %%HTTP%%
    privacy_zone  2m;
    privacy_redis $url;
    privacy_keys  %%KEYS%%/keys;
    server {
        listen %%LISTEN%%;
        privacy enforce;
        privacy_site %%SITE%%;
        location /privacy/ { privacy_center; }
        location = /status { privacy_status; allow all; }
    }
}
CONF
}

config($good);
$t->start;
ok($t->each_worker(sub { $_[0]{redis}{connected} && $_[0]{sites}[0]{subscribed} && $_[0]{sites}[0]{sequence} }),
    'nginx reads the policy over TLS');
is($t->get('/privacy/')->status, 200, '... and shows it');

my $v = $t->visitor;
$v->get('/privacy/choices');
is($v->choose('accept_all')->status, 303, 'and records a choice');
is(scalar @{$t->redis->command('KEYS', '*')}, 0, 'not in database 0');

# The server goes and comes again; nothing is left behind

my ($worker) = $t->workers;
my $descriptors = sub { return scalar(my @open = glob "/proc/$worker/fd/*") };
my $before = $descriptors->();
for my $round (1 .. 4) {
    $t->redis->command('CLIENT', 'KILL', 'TYPE', $_, 'SKIPME', 'yes') for 'normal', 'pubsub';
    my $again = $t->visitor(headers => ['X-Real-IP' => "10.5.$round.1"]);
    ok(wait_for(sub { $again->get('/privacy/choices'); $again->choose('reject_all')->status == 303 }, 20),
        "back: $round");
}
ok(wait_for(sub { $descriptors->() <= $before }, 20), 'no descriptor is left behind')
    or diag("$before then " . $descriptors->());
$t->allow(qr/Redis at/);
$t->reload;
ok(wait_for(sub { $t->get('/privacy/')->status == 200 }, 20), 'after a reload, too');
$t->stop;

for my $what ('another authority', 'another name', 'no client certificate') {
    config($wrong{$what});
    my $mark = length $t->log;
    $t->start;
    ok(wait_for(sub { substr($t->log, $mark) =~ /Redis at rediss:\S+ .*(?:certificate|another|handshake|closed)/ }, 20),
        "nginx: $what");
    is($t->get('/privacy/')->status, 503, 'nothing is believed');
    unlike($t->log, qr/sesame/, 'no password in the log');
    $t->stop;
}

# What is read when nginx starts or reloads: authorities, certificates, and the password

spew("$dir/own.crt", slurp("$dir/other.crt"));
config($good =~ s/ca=[^&]+/ca=$dir\/own.crt/r);
$t->start;
sub connected { return json($t->get('/status')->body)->{redis}{connected} }
sub settled { my $n = 0; return wait_for(sub { $n = connected() ? $n + 1 : 0; sleep 0.1; return $n == 5 }, 20) }
ok(!connected(), 'another authority in the file');
# another file in its place: since 1.27.4 nginx keeps what it read of one that was not changed for a second
spew("$dir/own.new", slurp("$dir/ca.crt"));
rename "$dir/own.new", "$dir/own.crt" or die $!;
$t->reload;
ok(settled(), '... the right one, after a reload');
$t->redis->command('ACL', 'SETUSER', 'nginx', '>another', '<sesame %@?');
spew("$dir/password", "another\n");
$t->redis->command('CLIENT', 'KILL', 'TYPE', $_, 'SKIPME', 'yes') for 'normal', 'pubsub';
ok(wait_for(sub { !connected() && !connected() }, 20), 'another password on the server');
$t->reload;
ok(settled(), '... and from the file, after a reload');

# A certificate whose time is over is not believed, but with verify=off, which is warned of at each start

$t->redis->command('CONFIG', 'SET', 'tls-cert-file', "$dir/late.crt", 'tls-key-file', "$dir/late.key");
($status, $out) = $t->ctl('versions', @public, '--redis', $good);
is($status, 3, 'a certificate whose time is over: privacyctl does not believe it');
like($out, qr/expired/, '... and says why') or diag $out;
$t->stop;
config($good);
my $mark = length $t->log;
$t->start;
ok(wait_for(sub { substr($t->log, $mark) =~ /Redis at rediss:\S+ .*(?:expired|certificate)/ }, 20),
    '... nor does nginx, which says so');
is(connected() ? 1 : 0, 0, '... and is not connected');
$t->stop;
my $warned = qr/\[warn\].*Redis is not verified: whoever answers at its address is believed/;
is(scalar(() = $t->log =~ /$warned/g), 0, 'nothing was said of verification so far');
config("$good&verify=off");
for my $n (1, 2) {
    $t->start;
    ok(settled(), 'verify=off: connected');
    is(scalar(() = $t->log =~ /$warned/g), $n, '... which is warned of at each start');
    $t->stop;
}

# OpenSSL's word for a client that shows no certificate, once a connection
$t->allow(qr/alert certificate required/);
cmp_ok(scalar(() = $t->log =~ /alert certificate required/g), '<=', 4, 'not with each attempt');
$t->finish;
