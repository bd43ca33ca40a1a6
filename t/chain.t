#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl keygen, and ledger without a node: records that are written here, by a second implementation of the
# format, are read and proven; what is changed, swapped, missing or moved up is named by its position.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 sha256);
use FindBin;
use MIME::Base64 qw(decode_base64url encode_base64url);
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('chain', module => '');
my $site = $t->site;

# Keys

my $dir = $t->keys_dir;
my $keys = "$dir/keys";

is((stat $keys)[2] & 07777, 0600, 'the keys are for their owner');
is((stat "$dir/$site.key")[2] & 07777, 0600, 'the publication key too');

my $before = Test::Privacy::slurp($keys);
my ($status, $out) = $t->ctl('keygen', $dir);
is($status, 1, 'keys are never made twice');
is(Test::Privacy::slurp($keys), $before, 'and stay as they are');
is(($t->ctl('keygen', '--rotate', 'pseudonym', $keys))[0], 2, 'a pseudonym key does not rotate');
is(Test::Privacy::slurp($keys), $before, 'nor does anything change');

my ($id, $old) = first_key();
chmod 0640, $keys;
is(($t->ctl('keygen', '--rotate', 'ledger', $keys))[0], 0, 'a ledger key does');
is((stat $keys)[2] & 07777, 0640, 'the mode is kept');

my ($new_id, $new) = first_key();
isnt($new_id, $id, 'it has an id of its own');
isnt($new, $old, 'and other bytes');
is(() = Test::Privacy::slurp($keys) =~ /^ledger /mg, 2, 'the old one is kept');


sub first_key {
    my ($key_id, $key) = Test::Privacy::slurp($keys) =~ /^ledger\s+(\S+)\s+(\S+)$/m;
    return (hex $key_id, decode_base64url($key));
}


# The format, once more.

sub mac {
    my ($key, $domain, @parts) = @_;
    return substr hmac_sha256(join('', "$domain\0", chr length $site, $site, @parts), $key), 0, 16;
}


sub record {
    my ($subject, $position, $previous, $key_id, $key, $how, $granted) = @_;

    my $body = pack 'CCCCNQ>', 1, $key_id, $how, 3, 1764547200 + $position, 0xABC0 + $position;
    $body .= pack 'CCC', 0x11, 1, 1;
    $body .= $granted ? pack('CCC', 0x11, 6, $granted) : pack('CC', 0x10, 6);
    $body .= "\xC0\x00\x02";

    $previous = mac($key, 'privacy record first 1', $subject) if $position == 1;
    my $salt = mac($key, 'privacy record salt 1', $subject, pack 'N', $position);
    my $link = mac($key, 'privacy record link 1', $previous, sha256($salt . $body));
    return ($body . $link, $link);
}


$t->redis->start;

my $subject = "\xF9" . 'fifteen bytes..';       # its text begins with a dash
my $text = encode_base64url($subject);
my $ledger = "privacy:{$site:$text}:ledger";
my @records;

sub write_ledger {
    my ($link);
    @records = ();
    $t->redis->command('DEL', $ledger);

    for my $position (1 .. 70) {        # more than one batch; the key rotates on the way
        my @key = $position < 4 ? ($id, $old) : ($new_id, $new);
        my $withdraw = $position % 2 == 0;
        my $record;
        ($record, $link) = record($subject, $position, $link, @key, $withdraw ? 5 : 3, $withdraw ? 0 : 4);
        push @records, $record;
        $t->redis->command('HSET', $ledger, $position, $record);
    }
}


sub ledger { return $t->ctl('ledger', $t->ctl_site, '--keys', $keys, @_) }

sub wrong {
    my ($code, $json) = ledger($text, '--json');
    my $all = Test::Privacy::json($json);
    return join ' ', $code, map { "$_->{position}:$_->{proof}" } grep { $_->{proof} ne 'holds' } @{$all->{records}};
}

is(substr($text, 0, 1), '-', 'a subject that looks like an option');

write_ledger();
($status, $out) = ledger($text);
is($status, 0, 'a ledger that holds');
like($out, qr/70 records; every one holds\./, 'says so');
like($out, qr/Position 1\n\s+time\s+2025-12-01T00:00:01Z\n\s+how\s+chose \(custom\)\n/, 'in words');
like($out, qr/\(custom\)\n\s+granted\s+#2\n\s+refused\s+#1\n/, 'with what was granted and refused');
like($out, qr/client\s+192\.0\.2\.0\/24/, 'with the coarse address');
is(wrong(), 0, 'the same as JSON');

my $changed = $records[4];
substr($changed, 7, 1) ^= "\1";
$t->redis->command('HSET', $ledger, 5, $changed);
is(wrong(), '1 5:changed', 'a changed record');
like((ledger($text))[1], qr/WRONG at position 5\./, 'in words');

write_ledger();
$t->redis->command('HSET', $ledger, 2, $records[64], 65, $records[1]);
is(wrong(), '1 2:moved 65:moved', 'two that were swapped');

write_ledger();
$t->redis->command('HDEL', $ledger, 66);
is(wrong(), '1 66:missing 67:unproven', 'one that is missing');

write_ledger();
$t->redis->command('HSET', $ledger, $_, $records[$_]) for 68, 69;
$t->redis->command('HDEL', $ledger, 70);
like(wrong(), qr/^1 68:/, 'one taken out, the others moved up');

write_ledger();
$t->redis->command('HSET', $ledger, 'note', 'x');
is((ledger($text))[0], 1, 'what is no position is wrong too');

my $other = encode_base64url('0123456789abcdef');
$t->redis->command('RENAME', $ledger, "privacy:{$site:$other}:ledger");
($status, $out) = ledger($other);
is($status, 1, 'the ledger of another subject');
like($out, qr/WRONG at position 1/, 'does not hold from its first record on');

is((ledger('--user', 'nobody'))[0], 1, 'no ledger at all');
is((ledger('short'))[0], 2, 'not a subject');
is(($t->ctl('ledger', '--site', $site, '--keys', $keys, $text, '--redis', 'unix:/nonexistent'))[0], 3, 'no Redis');
is((ledger($text, '--site', $site))[0], 2, 'an option twice');
is((ledger($text, '--public', $keys))[0], 1, 'a file that is no public key');

$t->finish;
