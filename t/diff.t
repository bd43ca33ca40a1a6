#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The archive as visitors and programs reach it: the list and its feed, two versions compared, what changed for me, proof.

use strict;
use warnings;
use utf8;

use Digest::SHA qw(sha256_hex);
use Encode ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('diff', workers => 2);
$t->redis->start;
$t->upstream(sub {
    return { headers => ['Content-Type' => 'text/html; charset=utf-8'],
        body => '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>' };
});

my @purposes = (changes => [{ kind => 'purposes', summary => { 'zh-CN' => '措辞更清楚。', en => 'Clearer words.' } }]);
my $same = "\n\nWe keep nothing that we do not need.\n\nYou can ask us for a copy.\n";

$t->publish($t->bundle(texts => { 'zh-CN' => "# 政策\n\n我们保存订单三年。\n",
    en => "# Policy\n\nWe keep orders for three years.$same" }));
$t->publish($t->bundle(version => 'two', @purposes, choice_days => 90,
    texts => { 'zh-CN' => "# 政策\n\n我们保存订单五年。\n", en => "# Policy\n\nWe keep *orders* for five years.$same" }),
    '--urgent', 'x');
$t->publish($t->bundle(version => 'three', changes => [{ kind => 'rights', summary => { 'zh-CN' => 'x', en => 'x' } }],
    reduces_rights => \1, texts => { 'zh-CN' => "# 政策\n\n我们保存订单十年。\n",
    en => "# Policy\n\nWe keep orders for ten years.$same" }), '--urgent', 'x');

$t->config(site_conf(<<'CONF'));
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;
sub known { my ($n) = @_; return $t->each_worker(sub { $_[0]{sites}[0]{entries} == $n }) }
ok(known(3), 'all are known');

my @html = (Accept => 'text/html');
my @json = (Accept => 'application/json');
sub text { my ($r) = @_; my $text = $r->body; utf8::decode($text); return $text }

# The list

my $list = json($t->get('/privacy/versions.json')->body);
is_deeply([map { $_->{version} } @{$list->{versions}}], [qw(three two 2026-01-01)], 'all versions, newest first');
is($t->get('/privacy/versions.json')->body, $t->get('/privacy/versions', @json)->body, 'by suffix as by Accept');
like(text($t->get('/privacy/versions', @html, 'Accept-Language' => 'en')), qr/Clearer words\./, 'with what changed');
like(text($t->get('/privacy/versions', @html, 'Accept-Language' => 'zh-CN')), qr/措辞更清楚。/, 'in the reader\'s language');
is($t->get("/privacy/versions?page=$_")->status, 404, "there is no page $_") for 0, 2, 'x', '99999999999999999999';
is($t->get("/privacy/versions$_")->status, 404, "versions$_ is nothing") for '.md', 'x', '.', '.jsonx';

my $feed = $t->get('/privacy/versions.atom', 'Accept-Language' => 'en');
like($feed->header('Content-Type'), qr{^application/atom\+xml}, 'a feed');
is($feed->body, $t->get('/privacy/versions', Accept => 'application/atom+xml', 'Accept-Language' => 'en')->body,
    'also by Accept');
my @entries = text($feed) =~ m{<entry>(.*?)</entry>}gs;
is(scalar @entries, 3, 'an entry a version');
like($entries[1], qr/Clearer words\./, 'with what changed');
is($t->get('/privacy/versions', Accept => 'image/png')->status, 406, 'not as a picture');

my $missing = $t->get('/privacy/versions/nine', @html);
is($missing->status, 404, 'a version that is not there');
like(text($missing), qr{href="/privacy/versions/three}, '... names those that are');
is($t->get('/privacy/versions/nine', @json)->status, 404, 'for programs too');

# Two versions

my $r = $t->get('/privacy/diff/2026-01-01/two', @html, 'Accept-Language' => 'en');
is($r->status, 200, 'compared');
is($r->header('Content-Language'), 'en', 'in the reader\'s language');
like(text($r), qr{<del>[^<]*(?:<span[^>]*>[^<]*</span>)?[^<]*three.*</del>.*<ins>.*five.*</ins>}s, 'word by word');
unlike(text($r), qr{<(?:ins|del)[^>]*>[^<]*orders}, 'formatting alone is no change');
like(text($r), qr{choice_days|180.*90}s, 'and what is declared');
like($r->header('Vary'), qr/Accept-Language/, 'it varies');
is($r->header('Cache-Control'), 'no-cache', 'anybody may keep it');
my $again = $t->get('/privacy/diff/2026-01-01/two', @html, 'Accept-Language' => 'en');
is($again->body, $r->body, 'the same again');
is($t->get('/privacy/diff/2026-01-01/two', @html, 'Accept-Language' => 'en', 'If-None-Match' => $r->header('ETag'))->status,
    304, 'or nothing new');
is($t->head('/privacy/diff/2026-01-01/two')->status, 200, 'HEAD');

$r = $t->get('/privacy/diff/2026-01-01/two?lang=zh-CN', @html, 'Accept-Language' => 'en');
like(text($r), qr{<del>.*三.*</del>.*<ins>.*五.*</ins>}s, 'in Chinese by characters');
unlike(text($r), qr{<(?:ins|del)[^>]*>[^<]*保存}, '... and no more of them than changed');

$r = $t->get('/privacy/diff/two/2026-01-01', @html, 'Accept-Language' => 'en');
like(text($r), qr{<del>.*five.*</del>.*<ins>.*three.*</ins>}s, 'backwards');
is($t->get('/privacy/diff/two/current', @html)->status, 200, 'with the one in force');
is($t->get('/privacy/diff/two/two', @html)->status, 200, 'with itself');
is($t->get("/privacy/diff/$_", @html)->status, 404, "diff/$_")
    for 'nine/two', 'two/nine', 'two', 'two/', '/two', 'two/two/two', 'two/two.md', '%3Cb%3E/two';

my $json = json($t->get('/privacy/diff/2026-01-01/two.json?lang=en')->body);
is($json->{language}, 'en', 'as JSON');
is($json->{text}{characters}{inserted}, 4, 'with the characters that came');
is($json->{text}{characters}{deleted}, 5, '... and went');
ok(scalar(grep { ($_->{field} // '') eq 'choice_days' } @{$json->{declared}}), '... and what is declared');
is($t->get('/privacy/diff/2026-01-01/two', @json)->header('Content-Type'), 'application/json', 'by Accept');

$r = $t->get('/privacy/diff?from=2026-01-01&to=current&lang=en');
is($r->status, 302, 'a form\'s address');
is($r->header('Location'), '/privacy/diff/2026-01-01/current?lang=en', 'leads there');
is($t->get('/privacy/diff?from=2026-01-01')->status, 404, 'with both ends');
is($t->get('/privacy/diff?from=%2f%2fevil.example&to=two')->status, 404, 'and to nowhere else');

# Mine

my $network = 0;
sub visitor { return $t->visitor(headers => ['X-Real-IP' => '10.9.' . ++$network . '.1', @html], @_) }

my $nobody = visitor()->get('/privacy/diff/mine/current');
is($nobody->status, 200, 'for who is bound to nothing');
unlike($nobody->body, qr/value="agree"/, '... there is nothing to agree to');

my $v = visitor();
$v->get('/');
$v->choose('accept_all');
$t->publish($t->bundle(version => 'four', changes => [{ kind => 'rights', summary => { 'zh-CN' => 'x', en => 'x' } }],
    reduces_rights => \1, texts => { 'zh-CN' => "# 政策\n\n我们保存订单百年。\n",
    en => "# Policy\n\nWe keep orders for a hundred years.$same" }), '--urgent', 'x');
ok(known(4), 'a version that reduces rights');
ok($t->each_worker(sub { $_[0]{sites}[0]{version} eq 'four' }), '... is in force');

$r = $v->get('/privacy/diff/mine/current?lang=en');
is($r->status, 200, 'what changed for me');
like(text($r), qr{<del>.*ten.*</del>.*<ins>.*hundred.*</ins>}s, 'since what binds me');
like($r->header('Cache-Control'), qr/private.*no-store/, 'for nobody else');
my ($token) = $r->body =~ /name="token" value="([^"]+)"/;
is($v->post('/privacy/choices', { token => $token // '', choice => 'agree' })->status, 303, 'its form agrees');
unlike($v->get('/privacy/diff/mine/current?lang=en')->body, qr/value="agree"/, 'then there is nothing left');

# Proof

$r = $t->get('/privacy/versions/two/proof', @html);
is($r->status, 200, 'how to check a version');
my $proof = json($t->get('/privacy/versions/two/proof', @json)->body);
is($t->get('/privacy/versions/two/proof.json')->status, 200, 'by suffix too');
is($proof->{digest}, sha256_hex(Encode::encode_utf8($proof->{head})), 'the digest is of what was signed');
like(text($r), qr/\Q$proof->{digest}\E/, 'the same for people');
my ($markdown) = grep { $_->{body} eq 'markdown' && $_->{language} eq 'en' } @{$proof->{bodies}};
is($markdown->{sha256}, sha256_hex($t->get('/privacy/versions/two.md?lang=en')->body), 'and the text\'s own');
my $sealed = $t->get("/privacy/log/$proof->{sequence}")->body;
is(substr($sealed, $markdown->{offset}, $markdown->{size}), $t->get('/privacy/versions/two.md?lang=en')->body,
    'which stands in the sealed entry');
is($t->get('/privacy/versions/nine/proof', @html)->status, 404, 'no proof of what is not there');

# What was compared before a withdrawal is not shown as if there had been none

$t->publish($t->bundle(version => 'never', changes => [{ kind => 'rights', summary => { 'zh-CN' => 'x', en => 'x' } }],
    effective => '2105-01-01T00:00:00Z'));
ok(known(5), 'a version that is yet to come');
is($t->get('/privacy/versions/never', @html)->status, 200, '... can be read');
my $compared = $t->get('/privacy/diff/four/never', @html, 'Accept-Language' => 'en')->body;
is($t->get('/privacy/diff/four/never', @html, 'Accept-Language' => 'en')->body, $compared, 'is compared, and kept');
is(($t->ctl('withdraw', 'never', '--reason', 'a mistake', $t->ctl_site, '--key', $t->keys_dir . '/example.key'))[0], 0,
    'withdrawn');
ok(known(6), 'known');
like($t->get('/privacy/versions/never', @html, 'Accept-Language' => 'en')->body, qr/a mistake/, '... with the reason');
my $withdrawn = $t->get('/privacy/diff/four/never', @html, 'Accept-Language' => 'en')->body;
like($compared, qr/class="badge new">Not in force yet/, 'it was said to be upcoming');
like($withdrawn, qr/class="badge gone">/, 'now it is said to be withdrawn');
unlike($withdrawn, qr/class="badge new">Not in force yet/, '... and to be nothing else');

# Comparing costs something: not without end

my $limited = 0;
for my $i (1 .. 150) {                              # thirty, and one more each second
    $limited++ if $t->get("/privacy/diff/two/three?lang=x$i", @html, 'X-Real-IP' => '10.200.0.1')->status == 429;
}
cmp_ok($limited, '>', 0, 'who asks for too many is told to wait');
is($t->get('/privacy/diff/two/three', @html, 'X-Real-IP' => '10.201.0.1')->status, 200, 'others are not');

$t->finish;
