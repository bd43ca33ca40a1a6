#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../../t/lib";
use File::Path qw(make_path);
use JSON::PP ();
use POSIX qw(strftime);
use Browser;

my $demo = "$FindBin::Bin/../../demo/policy/2026-12-01";


# The demo's newest version, changed; texts by language: what to put where.
sub bundle {
    my ($t, $name, $days, %fields) = @_;

    my $folder = $t->dir . "/$name";
    make_path($folder);
    my %texts = map { $_ => slurp("$demo/policy.$_.md") } qw(zh-CN en);
    $texts{'zh-CN'} =~ s/三十日|30 ?日|30 天内/四十五日内/;
    $texts{en} =~ s/within 30 days/within 45 days/;
    if ($texts{en} =~ s/^(We have agreements with those.*\n)\n(?=## 6)//m) {
        my $moved = $1;
        $texts{en} =~ s/(?=^## 8)/$moved\n/m or die 'no section 8';
    }
    $texts{ar} = "# سياسة الخصوصية\n\nنوضح هنا كيف نجمع بياناتك ونستخدمها (Cookie).\n\n## حقوقك\n\nنجيب خلال 45 يوما.\n";

    my $json = JSON::PP->new->utf8->canonical->pretty;
    my $policy = $json->decode(slurp("$demo/policy.json", ':raw'));
    %$policy = (%$policy, version => $name, languages => ['zh-CN', 'en', 'ar'], %fields,
        effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + $days * 86400)));
    $policy->{purposes}[2]{cookies}[0]{lifetime} = '180 天 / 180 days';

    spew("$folder/policy.json", ':raw', $json->encode($policy));
    spew("$folder/policy.$_.md", ':utf8', $texts{$_}) for keys %texts;
    return $folder;
}


sub slurp { my ($path, $as) = @_; open my $in, '<' . ($as // ':utf8'), $path or die "$path: $!"; local $/; return <$in> }
sub spew  { my ($path, $as, $text) = @_; open my $out, ">$as", $path or die "$path: $!"; print $out $text; close $out }


my @rights = (reduces_rights => JSON::PP::true, changes => [{ kind => 'rights', purposes => ['marketing'], summary => {
    'zh-CN' => '我们答复您请求的期限由三十日延长为四十五日。', en => 'We now answer within 45 days instead of 30.',
    ar => 'نجيب الآن خلال 45 يوما بدلا من 30.' } }, { kind => 'purposes', purposes => ['marketing'], summary => {
    'zh-CN' => '广告 Cookie 的有效期延长。', en => 'An advertising cookie is kept for longer.', ar => 'ملف' } }]);
my @wording = (changes => [{ kind => 'editorial', purposes => [], summary => {
    'zh-CN' => '措辞', en => 'Wording', ar => 'صياغة' } }]);

# One that takes rights away, one that is withdrawn before it comes, one to come.
Browser::run('archive', publish => { later => sub {
    my ($t) = @_;

    $t->publish(bundle($t, '2027-01-01', 0, @rights), '--urgent', 'a test');
    $t->publish(bundle($t, '2027-02-01', 30, @wording));
    my ($status, $out) = $t->ctl('withdraw', '2027-02-01', $t->ctl_site, '--key', $t->keys_dir . '/' . $t->{site} . '.key',
        '--yes', '--reason', 'It was published too early.');
    die "privacyctl withdraw: $out" if $status;
    $t->publish(bundle($t, '2027-03-01', 60, @wording));
} });
