#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A version's proof: what the page tells people to type is typed, and holds; with one byte changed it does not.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('proof');
$t->redis->start;
$t->upstream(sub { return { headers => ['Content-Type' => 'text/html'], body => '<!doctype html><body>hi</body>' } });
$t->publish($t->bundle);
$t->publish($t->bundle(version => '2', changes => [{ kind => 'editorial', purposes => [], summary => 'Wording' }]));
$t->config(site_conf(<<'CONF'));
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;

my $page = $t->get('/privacy/versions/2/proof?lang=en', Accept => 'text/html');
is($page->status, 200, 'the page');
my ($commands) = $page->body =~ m{id="by-hand"><code>(.*?)</code>}s;
my %entity = (amp => '&', lt => '<', gt => '>', quot => '"', '#39' => "'");
$commands =~ s/&(#?\w+);/$entity{$1}/g;
like($commands, qr{^curl -fsS 'http://[^']+/privacy/log/2' -o entry$}m, 'says where the entry is');

my $entry = $t->get('/privacy/log/2')->body;
my $proof = json($t->get('/privacy/versions/2/proof.json')->body);
is($proof->{sequence}, 2, 'as JSON: its number');
utf8::encode($proof->{head});
is($proof->{digest}, sha256_hex($proof->{head}), 'the digest is that of the head');
is((split /\n/, $entry, 4)[2], $proof->{head}, 'which is the one in the entry');
for my $body (@{$proof->{bodies}}) {
    is(sha256_hex(substr $entry, $body->{offset}, $body->{size}), $body->{sha256},
        join ' ', 'digest of', $body->{body}, $body->{language} // ());
}

# The entry is put in curl's place: the address in the page is the browser's.
my $folder = $t->dir . '/by-hand';
mkdir $folder or die $!;
sub by_hand {
    my ($bytes) = @_;
    open my $out, '>:raw', "$folder/given" or die $!;
    print $out $bytes;
    close $out;
    (my $script = $commands) =~ s/^curl .*$/cp given entry/m;
    open my $in, '-|', 'bash', '-c', "cd $folder && { $script\n} 2>&1" or die $!;
    local $/;
    return scalar <$in>;
}

my @expected = $commands =~ /^# ([0-9a-f]{64})$/mg;
my $said = by_hand($entry);
like($said, qr/^Signature Verified Successfully$/m, 'by hand: the signature holds');
is_deeply([$said =~ /^([0-9a-f]{64}) /mg], \@expected, '... and so do all digests');
is(scalar @expected, 1 + @{$proof->{bodies}}, '... of the head and of each part');

my $at = index $entry, '"version"';
unlike(by_hand(substr($entry, 0, $at) . '"versiom"' . substr($entry, $at + 9)), qr/Verified Successfully/,
    'one byte of the head changed: it does not');
my $last = substr $entry, -1;
$said = by_hand(substr($entry, 0, -1) . ($last eq 'x' ? 'y' : 'x'));
like($said, qr/Verified Successfully/, 'one byte of a text changed: the signature does');
my @digests = $said =~ /^([0-9a-f]{64}) /mg;
isnt($digests[-1], $expected[-1], '... but the digest of that part does not');
is_deeply([@digests[0 .. $#digests - 1]], [@expected[0 .. $#expected - 1]], '... and those of all others do');

$t->finish;
