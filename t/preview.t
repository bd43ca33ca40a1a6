#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl preview: the bytes that nginx serves, from a folder, on loopback; odd and slow clients; its end.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('preview');
$t->redis->start;
$t->upstream(sub { return { headers => ['Content-Type' => 'text/html'], body => '<!doctype html><body>hi' } });

my $folder = $t->bundle;
$t->publish($folder);
$t->config(site_conf(<<'CONF'));
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;

my @site = ($t->ctl_site, '--public', $t->keys_dir . '/' . $t->site . '.pub');

# A preview that runs: {pid, port, text}.
sub preview {
    my (@arguments) = @_;

    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec { $t->{ctl} } $t->{ctl}, 'preview', @arguments or POSIX::_exit(127);
    }

    my $text = '';
    while (my $line = <$out>) {
        $text .= $line;
        last if $line =~ /Ctrl-C/;
    }
    return { pid => $pid, out => $out, text => $text, port => $text =~ m{http://127\.0\.0\.1:(\d+)/} ? $1 : 0 };
}


sub end {
    my ($p) = @_;

    kill 'INT', $p->{pid};
    close $p->{out};
    return $? >> 8;
}


# Status, head and body.
sub ask {
    my ($p, $path, %more) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$p->{port}") or return (0, '', '');
    my $head = join '', map { "$_: $more{$_}\r\n" } grep { !/^METHOD$/ } keys %more;
    $head .= "Host: 127.0.0.1:$p->{port}\r\n" if !$more{Host};
    print $s(($more{METHOD} || 'GET') . " $path HTTP/1.1\r\n$head\r\n");
    my $answer = do { local $/; <$s> } // '';
    my ($top, $body) = split /\r\n\r\n/, $answer, 2;
    return ($top && $top =~ m{^HTTP/1\.1 (\d+)} ? $1 : 0, $top // '', $body // '');
}


# What is one visitor's, and what no two pages have the same.
sub masked {
    my ($html) = @_;

    $html =~ s/(name="token" value=")[^"]*/$1/g;
    return $html;
}


# A folder that is published already is shown as it was published: byte for byte

my $p = preview(@site, $folder);
ok($p->{port}, 'it says where it is') or diag($p->{text});
like($p->{text}, qr/is this very bundle/, '... and that this is published already');

my @html = (Accept => 'text/html');
for my $case (['/privacy/', @html], ['/privacy/', @html, 'Accept-Language' => 'en'], ['/privacy/?lang=en', @html],
    ['/privacy/', Accept => 'text/markdown'], ['/privacy/', Accept => 'application/json'],
    ['/privacy/versions/2026-01-01', @html], ['/privacy/versions/2026-01-01.md'], ['/privacy/versions/2026-01-01.json'],
    ['/privacy/versions', @html], ['/privacy/versions', @html, 'Accept-Language' => 'en'],
    ['/privacy/choices', @html], ['/privacy/choices?lang=en', @html])
{
    my ($path, %headers) = @$case;
    my $nginx = $t->get($path, %headers);
    my ($status, $head, $body) = ask($p, $path, %headers);

    is($status, $nginx->status, "$path @{[join ' ', values %headers]}: the same status");
    ok(masked($body) eq masked($nginx->body), '... the same bytes');
    my ($type) = $head =~ /^Content-Type: (.*?)\r?$/m;
    is($type, $nginx->header('Content-Type'), '... of the same type');
    my ($policy) = $head =~ /^Content-Security-Policy: (.*?)\r?$/m;
    is($policy, $nginx->header('Content-Security-Policy'), '... under the same policy of content') if $type =~ /html/;
}

my ($status, $head, $body) = ask($p, '/privacy/', @html);
my ($asset) = $body =~ m{href="(/privacy/assets/[^"]+\.css)"};
ok($asset, 'a page with a style');
($status, $head, $body) = ask($p, $asset);
is($body, $t->get($asset)->body, '... which is the same, too');

# A page with the banner: what nginx puts into one

my $page = $t->get('/', @html, 'Accept-Language' => 'en')->body;
($status, $head, $body) = ask($p, '/', @html, 'Accept-Language' => 'en');
is($status, 200, 'a page with the banner');
my ($banner) = masked($page) =~ m{(<section.*</section>|<aside.*</aside>|<div.*</div>|<form.*</form>)}s;
ok($banner, 'nginx shows one');
ok(index(masked($body), $banner) >= 0, '... the same as in the preview');

# Nothing else

($status) = ask($p, '/privacy/none', @html);
is($status, 404, 'what is not there');
($status, $head, $body) = ask($p, '/privacy/choices', METHOD => 'POST', 'Content-Length' => 0);
is($status, 501, 'a choice is not taken');
like($body, qr/nothing is recorded/, '... and that is said');
($status, $head) = ask($p, '/privacy');
like($head, qr{^Location: /privacy/\r?$}m, 'a slash is added');
($status, $head, $body) = ask($p, '/privacy/', METHOD => 'HEAD', @html);
is($body, '', 'HEAD has no body');
($status) = ask($p, '/', Host => 'evil.example');
is($status, 0, 'no answer under another name');
($status) = ask($p, '/' . 'x' x 20000);
is($status, 0, '... nor to a head without end');

# Those who only connect do not keep others out

my @idle = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$p->{port}") } 1 .. 20;
my $watch = Test::Privacy::Stopwatch->new;
($status) = ask($p, '/privacy/', @html);
is($status, 200, 'while others only connect');
cmp_ok($watch->seconds, '<', 5, '... at once');

is(end($p), 0, 'ended by an interrupt: 0');
($status) = ask($p, '/');
is($status, 0, '... and nobody listens');

# A folder that is not published yet

$p = preview(@site, $t->bundle(version => '2', changes => [{ kind => 'editorial' }], texts => {
    'zh-CN' => "# 隐私政策\n\n新的。\n", en => "# Privacy policy\n\nA new one.\n" }));
($status, $head, $body) = ask($p, '/privacy/?lang=en', @html);
like($body, qr/A new one\./, 'a folder that is not published yet');
($status, $head, $body) = ask($p, '/privacy/versions', @html);
like($body, qr{/privacy/versions/$_[?"]}, "... version $_ is listed") for '2026-01-01', '2';
end($p);

# What who is logged in will be told of a material change

$p = preview(@site, $t->bundle(version => '4',
    effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 30 * 86400)),
    changes => [{ kind => 'rights', purposes => [],
        summary => { 'zh-CN' => '权利', en => 'We answer within a week.' } }]));
($status, $head, $body) = ask($p, '/privacy/notices?lang=en', @html);
like($body, qr/We answer within a week\./, 'the notice that a version will be');
my ($notice) = $body =~ m{href="(/privacy/notices/v\d+)};
($status, $head, $body) = ask($p, "$notice?lang=en", @html);
is($status, 200, '... has its page');
like($body, qr/value="$_"/, "... with $_") for qw(agree decline later);
($status, $head, $body) = ask($p, '/notice', @html, 'Accept-Language' => 'en');
like($body, qr/<section id="privacy-notice".*We answer within a week\./s, '... and is a bar in pages');
($status, $head, $body) = ask($p, '/privacy/notices.atom?lang=en');
like($body, qr/<entry>.*We answer within a week\./s, '... and an entry of the feed');
for my $path ('/privacy/notices/v1', '/privacy/notices/x', '/privacy/notices.md') {
    ($status) = ask($p, $path, @html);
    is($status, 404, "$path: not there");
}
end($p);

$p = preview($t->bundle(version => 'a b'));
is($p->{port}, 0, 'one with errors is not shown');
like($p->{text}, qr/version: has to be/, '... but what is wrong is');
end($p);

$p = preview(@site, $t->bundle(version => '3', changes => []));
like($p->{text}, qr/changes: is empty/, 'what publishing would refuse is said');
($status) = ask($p, '/privacy/', @html);
is($status, 200, '... and shown all the same');
end($p);

my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0);
my ($code, $out) = $t->ctl('preview', '--port', $taken->sockport, $folder);
is($code, 1, 'a port that is taken');
like($out, qr/cannot listen on 127\.0\.0\.1/, '... says so');

$t->finish;
