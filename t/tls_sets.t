#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Sentinels and clusters over TLS, with passwords: each server is verified by its own address, or by the name that is
# given for all of them; sentinels have an account of their own, and are not told the servers' password.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Sentinel;
use Test::Privacy::Site;

my $t = Test::Privacy->new('tls_sets');
my $dir = $t->dir;

sub openssl { system("openssl @_ >> $dir/openssl.log 2>&1") == 0 or die "openssl @_: see $dir/openssl.log" }

openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout $dir/ca.key -out $dir/ca.crt");
for (['server', 'IP:' . $t->address . ',DNS:redis.example'], ['client', 'DNS:client']) {
    my ($name, $for) = @$_;
    spew("$dir/$name.ext", "subjectAltName=$for\n");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $dir/$name.key -out $dir/$name.csr");
    openssl("x509 -req -days 2 -in $dir/$name.csr -CA $dir/ca.crt -CAkey $dir/ca.key -CAcreateserial"
        . " -extfile $dir/$name.ext -out $dir/$name.crt");
}
chmod 0644, glob "$dir/*.key";
spew("$dir/password", "sesame\n");
spew("$dir/sentinel.password", "open\n");

my @tls = ("tls-cert-file $dir/server.crt", "tls-key-file $dir/server.key", "tls-ca-cert-file $dir/ca.crt",
    'tls-auth-clients yes', 'tls-replication yes', 'user nginx on >sesame ~* &* +@all');
my $parameters = "tls=on&ca=$dir/ca.crt&cert=$dir/client.crt&key=$dir/client.key&password_file=$dir/password";

my $config = site_conf(<<'CONF');
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF
$t->allow(qr/SSL_do_handshake\(\) failed|connect\(\) failed \(111/);

# What is published lies on a server of its own, and is handed over
$t->redis->start;
$t->publish($t->bundle);
sub hand_over {
    my ($where) = @_;
    $where->($_)->command('RESTORE', $_, 0, $t->redis->command('DUMP', $_)) for @{$t->redis->command('KEYS', '*')};
}

my $network = 0;
sub choose {
    my $v = $t->visitor(headers => ['X-Real-IP' => '10.5.' . ++$network % 250 . '.1']);
    $v->get('/');
    return $v->choose('accept_all')->status;
}

# It saves choices, or it does not, and the log says why (a pattern).
sub run_with {
    my ($what, $url, $why) = @_;

    $t->config($config, REDIS => qq("$url"));
    $t->start(any => 1);
    my $saved = !$why;
    $saved ? ok(wait_for(sub { choose() == 303 }, 20), $what) : is(choose(), 503, $what);
    my ($status, $out) = $t->ctl('versions', '--site', 'example', '--public', $t->keys_dir . '/example.pub',
        '--redis', $url);
    is($status, $saved ? 0 : 3, '... so privacyctl') or diag $out;
    ok(wait_for(sub { $t->log =~ $why }, 20), '... is said') if $why;
    $t->stop;
    spew("$dir/error.log", '');
}

my $cluster = Test::Privacy::Cluster->new("$dir/cluster", address => $t->address, lines => [@tls, 'tls-cluster yes'],
    tls => "--cert $dir/client.crt --key $dir/client.key");
hand_over(sub { $cluster->node_of($_[0]) });
my $url = $cluster->url('nginx');
run_with('a choice in an encrypted cluster', "$url?$parameters");
run_with('the name that all certificates are for', "$url?$parameters&name=redis.example");
run_with('another name', "$url?$parameters&name=other.example", qr/its certificate is for another name/);
run_with('a wrong password', $cluster->url('nginx:wrong') . "?tls=on&ca=$dir/ca.crt&cert=$dir/client.crt"
    . "&key=$dir/client.key", qr/noauth: WRONGPASS/);
$cluster->stop;

my $set = Test::Privacy::Sentinel->new("$dir/set", address => $t->address, lines => \@tls, sentinel_lines => [@tls[0 .. 4],
    'user default off', 'user watcher on >open ~* &+switch-master +sentinel|get-master-addr-by-name +subscribe'
    . ' +unsubscribe +ping', 'user sentinel on >peer ~* &* +@all', 'sentinel sentinel-user sentinel',
    'sentinel sentinel-pass peer'], sentinel_account => ['sentinel', 'peer']);
hand_over(sub { $set->master });
$url = $set->url('nginx');
my $account = "sentinel_user=watcher&sentinel_password_file=$dir/sentinel.password";
run_with('a choice through encrypted sentinels with an account of their own', "$url?$parameters&$account");
run_with('without it', "$url?$parameters", qr/\(sentinel\): noauth: /);
$t->config($config, REDIS => qq("$url?$parameters&$account"));
$t->start(any => 1);
ok(wait_for(sub { choose() == 303 }, 20), 'a choice');
$set->failover;
ok(wait_for(sub { choose() == 303 }, 20), 'and another one after a failover');
$t->stop;
$set->stop;
$t->finish;
