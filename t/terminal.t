#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl diff, of versions and of folders; and publish on a terminal, which shows the same and asks.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Terminal;

my $t = Test::Privacy->new('terminal', module => '');
$t->redis->start;

my $site = $t->site;
my @site = ($t->ctl_site, '--public', $t->keys_dir . "/$site.pub");
my @key = ('--key', $t->keys_dir . "/$site.key");
my @purposes = @{Test::Privacy::Bundle::purposes()};
push @{$purposes[1]{cookies}}, { name => '_pk' };

my $first = $t->bundle;
my $second = $t->bundle(version => '2', purposes => \@purposes, changes => [{ kind => 'purposes', purposes => ['analytics'],
    summary => { 'zh-CN' => '新增 Cookie', en => 'One more cookie' } }], texts => {
    'zh-CN' => "# 隐私政策\n\n我们如何处理您的个人信息。\n\n## 一、我们收集什么\n\n只收集必要的数据。\n",
    en => "# Privacy policy\n\nHow we handle your personal information.\n\n## What we collect\n\nOnly what is required.\n" });

# Folders: no log is needed

my ($status, $out) = $t->ctl('diff', $first, $second);
is($status, 0, 'two folders') or diag($out);
like($out, qr/^\+ cookies added, "_pk" of "analytics"  \(purposes\)$/m, 'what is declared, with the kind that it needs');
like($out, qr/Only what is \[-needed-\]\{\+required\+\}\./, 'the text, by word');
utf8::decode(my $words = $out);
like($words, qr/必要的\[-信息-\]\{\+数据\+\}/, '... and by character');
unlike($out, qr/\033\[/, 'no colours where nobody sees them');

($status, $out) = $t->ctl('diff', '--lang', 'en', '--color', 'always', $first, $second);
like($out, qr/\033\[32m\+ cookies added/, 'colours when they are wanted');
unlike($out, qr/zh-CN/, 'one language only');
($status, $out) = $t->ctl('diff', '--lang', 'fr', $first, $second);
is($status, 1, 'a language that is not there');
($status, $out) = $t->ctl('diff', '--color', 'blue', $first, $second);
is($status, 2, 'no such colour');

($status, $out) = $t->ctl('diff', '--json', $first, $second);
my $json = json($out);
is($json->{to}{version}, '2', 'for programs: of which');
is_deeply([map { [$_->{how}, $_->{section}, $_->{id}, $_->{purpose}] } @{$json->{declared}}],
    [['added', 'cookies', '_pk', 'analytics']], '... what is declared');
ok($json->{covered}, '... covered by its kinds');
ok(!$json->{same}, '... not the same');
is_deeply([map { $_->{text} // () } grep { $_->{op} ne 'equal' } @{$json->{texts}{en}{script}}], ['needed', 'required'],
    '... and the text');

($status, $out) = $t->ctl('diff', '--json', $first, $first);
ok(json($out)->{same}, 'a folder and itself');

($status, $out) = $t->ctl('diff', $first, $t->bundle(version => 'a b'));
is($status, 1, 'a folder with errors');
like($out, qr/version: has to be/, '... which are said');

# On a terminal: colours, unless NO_COLOR

my $screen = terminal([$t->{ctl}, 'diff', $first, $second]);
like($screen->{text}, qr/\033\[32m/, 'colours on a terminal');
$ENV{NO_COLOR} = 1;
$screen = terminal([$t->{ctl}, 'diff', $first, $second]);
unlike($screen->{text}, qr/\033\[/, 'none with NO_COLOR');

# publish asks

($status, $out) = $t->ctl('publish', $first, $t->ctl_site, @key);
is($status, 2, 'nobody is there to be asked');
like($out, qr/--yes publishes without asking/, '... says so');

my @publish = ($t->{ctl}, 'publish', $t->ctl_site, @key);
$screen = terminal([@publish, $first], [qr/\[y\/N\] $/, 'n']);
is($screen->{status}, 1, 'no');
like($screen->{text}, qr/nothing was published/, '... is no');
like($screen->{text}, qr/Everybody is asked for:\n  analytics  统计分析\n  marketing/, 'the first version asks everybody');
$screen = terminal([@publish, $first], [qr/\[y\/N\] $/, 'y']);
is($screen->{status}, 0, 'yes') or diag($screen->{text});
like($screen->{text}, qr/published: version 2026-01-01, number 1/, '... is yes');

$screen = terminal([@publish, '--urgent', '试验', $second], [qr/\[y\/N\] $/, undef]);
is($screen->{status}, 1, 'the end of input is no');
like($screen->{text}, qr/Declared as purposes: 新增 Cookie\nUrgent: 试验\n/, 'publish says what is declared');
like($screen->{text}, qr/^\+ cookies added, "_pk"/m, '... what differs');
like($screen->{text}, qr/Only what is \[-needed-\]\{\+required\+\}/, '... in the texts, too');
like($screen->{text}, qr/Asked again:\n  analytics  统计分析\n\S/, '... who is asked again');
like($screen->{text}, qr/In force as soon as it is published/, '... and from when');

($status, $out) = $t->ctl('publish', $second, $t->ctl_site, @key, '--urgent', 'x', '--yes', '--json');
is($status, 0, 'in a script') or diag($out);
$json = json($out =~ s/^warning: .*\n//mgr);
is_deeply($json->{changes}{asked}, ['analytics'], '... who is asked again');
is($json->{changes}{declared}[0]{id}, '_pk', '... what differs');

# Versions of the log

($status, $out) = $t->ctl('diff', @site, '2026-01-01', 'current');
is($status, 0, 'a version and the one in force') or diag($out);
like($out, qr/From version 2026-01-01 to version 2\n/, '... by their names');
like($out, qr/\{\+required\+\}/, '... and texts');
($status, $out) = $t->ctl('diff', @site, 'current', $t->bundle(version => '3', purposes => \@purposes,
    changes => [{ kind => 'editorial' }], recipients => [{ id => 'acme', name => 'A', data => 'd', use => 'u' }]));
like($out, qr/^\+ recipients added, "acme"  \(recipients: NOT DECLARED\)$/m, 'a folder that publishing would refuse');
($status, $out) = $t->ctl('diff', @site, 'current', 'none');
is($status, 1, 'a version that is not there');
like($out, qr/has no version "none"/, '... is named');
($status, $out) = $t->ctl('diff', 'current', '2');
is($status, 2, 'versions without a site');

$t->finish;
