#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl init: a bundle that passes check, from options, from answers on a terminal, and from the cookies seen.

use strict;
use warnings;
use utf8;

use File::Path qw(make_path);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Terminal;

my $t = Test::Privacy->new('init', module => '');
my $dir = $t->dir;
my @who = ('--name', '示例<有限>公司 *_`|', '--mail', 'p@shop.example', '--address', '上海 1 号', '--department', 'DPO',
    '--complaint', 'c@shop.example', '--country', '中国');

# From options

my ($status, $out) = $t->ctl('init', "$dir/a", @who, '--necessary', 'sessionid,csrftoken');
is($status, 0, 'written') or diag($out);
ok(-f "$dir/a/$_", "... $_") for 'policy.json', 'policy.zh-CN.md', 'policy.en.md';

($status, $out) = $t->ctl('check', "$dir/a");
is($status, 0, 'it passes check') or diag($out);
unlike($out, qr/error:/, '... without an error');
is_deeply([grep { !/still to be filled in/ } $out =~ /^warning: (.*)$/mg], [],
    '... warned of what is left to be filled in only');

my $policy = json(slurp("$dir/a/policy.json"));
is_deeply([map { $_->{name} } @{$policy->{purposes}[0]{cookies}}], ['sessionid', 'csrftoken'],
    'the cookies that were named');
is(scalar @{$policy->{purposes}}, 1, '... and no other purpose');
like($policy->{effective}, qr/^\Q$policy->{version}\ET00:00:00[+-]\d\d:\d\d$/,
    'in effect on the day that it is named after');

my %headings = map { my $text = slurp("$dir/a/policy.$_.md"); ($_ => [map { length } $text =~ /^(#+) /mg]) } 'zh-CN', 'en';
is_deeply($headings{en}, $headings{'zh-CN'}, 'both texts have the same sections');
cmp_ok(scalar @{$headings{en}}, '>=', 13, '... all of them');

# What is there is not touched

my $before = slurp("$dir/a/policy.en.md");
unlink "$dir/a/policy.json", "$dir/a/policy.zh-CN.md";
is(($t->ctl('init', "$dir/policies/new/a", @who))[0], 0, 'folders that it is to be in are made');
($status, $out) = $t->ctl('init', "$dir/a", @who);
is($status, 1, 'a folder with a text in it');
like($out, qr/policy\.en\.md is there already/, '... says which');
ok(!-e "$dir/a/policy.json" && slurp("$dir/a/policy.en.md") eq $before, '... and nothing was written');

# Without a terminal, what cannot be left out has to be given

($status, $out) = $t->ctl('init', "$dir/b", '--mail', 'p@shop.example');
is($status, 2, 'nobody is responsible');
($status, $out) = $t->ctl('init', "$dir/b", '--name', 'x');
is($status, 2, 'nobody can be reached');
($status, $out) = $t->ctl('init', "$dir/b", @who, '--languages', 'fr');
is($status, 2, 'a language without a skeleton');
($status, $out) = $t->ctl('init', "$dir/b", @who, '--version', '../x');
is($status, 1, 'a version that is a path');
like($out, qr/version: has to be/, '... said as check says it');
ok(!-e "$dir/b", '... and nothing was written');

# In one language, for programs

($status, $out) = $t->ctl('init', "$dir/b", @who, '--languages', 'en', '--version', 'v1', '--effective',
    '2026-01-01T00:00:00Z', '--json');
is($status, 0, 'one language');
is_deeply(json($out), { folder => "$dir/b", version => 'v1', files => ['policy.json', 'policy.en.md'], unclassified => 0,
    skipped => 0 }, '... as JSON');

# The cookies that were seen

my @seen = map { { domain => '', path => '/', count => 3, dropped => 0, %$_ } } (
    { name => 'sessionid', lifetime => -1 }, { name => '_ga', domain => '.shop.example', lifetime => 63072000 },
    { name => '_ga', domain => '.shop.example', lifetime => 63072000 }, { name => '_ga', domain => 'x y', lifetime => 60 },
    { name => 'a|b`c', lifetime => 3 * 3600 }, { name => 'x"y', lifetime => 1 }, { name => '__Host-privacy', lifetime => 1 },
);
spew("$dir/seen.json", JSON::PP->new->utf8->encode({ sites => [{ name => 'example', inventory => \@seen },
    { name => 'other', inventory => [{ name => 'else', lifetime => 1 }] }] }));
($status, $out) = $t->ctl('init', "$dir/c", @who, '--necessary', 'sessionid', '--inventory', "$dir/seen.json",
    '--site', 'example');
is($status, 0, 'from an inventory') or diag($out);
like($out, qr/^3 cookies that were seen wait in the purpose "to-classify"/m, '... says how many are to be sorted');
like($out, qr/^2 cookies have names that cannot be declared/m, '... and how many were left out');

$policy = json(slurp("$dir/c/policy.json"));
is_deeply([map { $_->{name} } @{$policy->{purposes}[0]{cookies}}], ['sessionid'], 'what was called necessary is');
is($policy->{purposes}[1]{id}, 'to-classify', 'the rest waits');
ok(!$policy->{purposes}[1]{necessary}, '... and does not pass by itself');
is_deeply($policy->{purposes}[1]{cookies}, [
    { name => '_ga', domain => '.shop.example', path => '/', lifetime => '730 天 / 730 days' },
    { name => '_ga', path => '/', lifetime => '1 分钟 / 1 minutes' },
    { name => 'a|b`c', path => '/', lifetime => '3 小时 / 3 hours' }], '... with where and how long it was seen');

($status, $out) = $t->ctl('check', "$dir/c");
is($status, 0, 'it passes check') or diag($out);
like($out, qr/purposes\[1\]: is what `privacyctl init` found and nobody sorted/, '... which asks for the sorting');
($status, $out) = $t->ctl('check', '--strict', "$dir/c");
is($status, 1, '... and insists with --strict');

spew("$dir/odd.json", '{"a":1}');
($status, $out) = $t->ctl('init', "$dir/d", @who, '--inventory', "$dir/odd.json");
is($status, 1, 'what is no inventory');

# Asked on a terminal, in the language that is wanted

my $screen = terminal([$t->{ctl}, 'init', '--lang', 'zh-CN', '--name', 'X', "$dir/e"],
    [qr/电子邮箱： $/, 'p@shop.example'], [qr/电话.*： $/, ''], [qr/地址： $/, '上海'], [qr/部门.*： $/, ''],
    [qr/投诉.*： $/, ''], [qr/国家.*： $/, '中国'], [qr/Cookie.*： $/, 'sid']);
is($screen->{status}, 0, 'answered on a terminal') or diag($screen->{text});
$policy = json(slurp("$dir/e/policy.json"));
is_deeply($policy->{controller}, { name => 'X', mail => 'p@shop.example', address => '上海', country => '中国' },
    '... what was answered is there, what was left empty is not');
is($policy->{purposes}[0]{cookies}[0]{name}, 'sid', '... and the cookie');

$screen = terminal([$t->{ctl}, 'init', '--lang', 'en', "$dir/f"], [qr/responsible: $/, undef]);
is($screen->{status}, 1, 'no answer');
ok(!-e "$dir/f", '... nothing was written');

$t->finish;
