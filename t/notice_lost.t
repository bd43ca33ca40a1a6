#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis has lost the newest notices, or has had an entry that nobody signed: what is sent afterwards is shown all the same,
# under numbers that were others' before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('notice_lost');
$t->redis->start;
$t->upstream(sub {
    return { headers => ['Content-Type' => 'text/html; charset=utf-8'],
        body => '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>' };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;

my $redis = $t->redis;
my $stream = 'privacy:example:notices';

sub announce {
    my ($text) = @_;
    my $file = $t->dir . '/notice.json';
    spew($file, JSON::PP->new->utf8->encode({ kind => 'announcement', texts => {
        map { $_ => { title => "About $text", summary => "What is said of $text." } } qw(en zh-CN) } }));
    my ($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', $t->keys_dir . '/example.key', '--public',
        '--json', $file);
    die "privacyctl notice send: $out" if $status;
    return json($out)->{id};
}
sub shows { my ($text) = @_; return wait_for(sub { $t->get('/privacy/notices')->body =~ /About $text\b/ }, 20) }

announce("number$_") for 1 .. 14;
ok(shows('number14'), 'many notices');

# A backup from before most of them

my @kept = @{$redis->command('XRANGE', $stream, '-', '+', 'COUNT', 2)};
$redis->command('DEL', $stream);
$redis->command('XADD', $stream, $_->[0], @{$_->[1]}) for @kept;
my $second = time;
wait_for(sub { time > $second + 1 });       # of two with one number the later one counts, by the second
is(announce('later'), 'n3', 'the next one has a number that was another\'s');
ok(shows('later'), 'and is shown');
ok(shows('number14'), 'with those that this node still knows');

# An entry behind which none can be put, until somebody takes it out

$redis->command('XADD', $stream, '4294967295-0', 'sealed', 'nonsense');
$redis->command('PUBLISH', 'privacy:example:events', 'noticed 4294967295');
ok(wait_for(sub { $t->log =~ /n4294967295/ }, 20), 'nonsense with the highest number is refused');
@kept = grep { $_->[0] ne '4294967295-0' } @{$redis->command('XRANGE', $stream, '-', '+')};
$redis->command('DEL', $stream);
$redis->command('XADD', $stream, $_->[0], @{$_->[1]}) for @kept;
announce('at last');
ok(shows('at last'), 'once it was taken out, what is sent is shown');
$t->allow(qr/is no sealed notice|Redis has lost notices|is refused|another one has its number/);

$t->finish;
