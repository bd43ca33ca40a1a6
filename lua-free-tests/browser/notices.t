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
my $json = JSON::PP->new->utf8->canonical->pretty;
my $versions = 0;


# What is published by now, and what was before the version that may be withdrawn.
my ($now, $before);
my $coming = 0;         # the newest is not in force yet: it goes before another one is published

# The version before with something else declared of a purpose (none: as it was), in force in so many days.
sub change {
    my ($t, $purpose, $days, %fields) = @_;

    withdraw($t) if $coming;
    $coming = $days > 0;
    my $name = sprintf '2027-%02d', ++$versions;
    my $folder = $t->dir . "/$name";
    make_path($folder);
    spew("$folder/policy.$_.md", slurp("$demo/policy.$_.md")) for qw(zh-CN en);

    $now //= slurp("$demo/policy.json");
    $before = $now;
    my $policy = $json->decode($now);
    my ($changed) = grep { $_->{id} eq ($purpose // '') } @{$policy->{purposes}};
    $changed->{cookies}[0]{lifetime} = "$versions 天 / $versions days" if $changed;
    delete $policy->{reduces_rights};
    %$policy = (%$policy, version => $name,
        effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + $days * 86400)),
        changes => [{ kind => 'purposes', purposes => [$purpose],
            summary => { 'zh-CN' => "第 $versions 次变更:有效期延长。", en => "Change $versions: kept for longer." } }], %fields);
    $now = $json->encode($policy);
    spew("$folder/policy.json", $now);

    return $t->publish($folder, $days ? () : ('--urgent', 'a test'));
}


sub withdraw {
    my ($t) = @_;

    my ($status, $out) = $t->ctl('withdraw', $t->ctl_site, '--key', $t->keys_dir . '/' . $t->{site} . '.key', '--yes',
        '--reason', 'It was a test.', sprintf '2027-%02d', $versions);
    die "privacyctl withdraw: $out" if $status;
    $now = $before;
    $coming = 0;
}


sub notice {
    my ($t, $command, @arguments) = @_;

    my $key = $t->keys_dir . '/' . $t->{site} . '.key';
    my ($status, $out) = $t->ctl('notice', $command, $t->ctl_site, '--key', $key, @arguments);
    die "privacyctl notice $command: $out" if $status;
    return $out;
}


my $sent = 0;

sub send_notice {
    my ($t, $kind, $texts, @arguments) = @_;

    my $file = $t->dir . "/notice$sent.json";
    spew($file, $json->encode({ kind => $kind, texts => $texts }));
    notice($t, 'send', @arguments, $file);
    $sent++;
}


my %incident = (
    en => { title => 'A backup could be read', happened => "Mail addresses could be read.\nNothing else.",
        measures => 'We closed it.', advice => 'Change your password.', remedies => 'We pay for monitoring.' },
    'zh-CN' => { title => '备份曾可被读取', happened => "电子邮箱地址可能被读取。\n不涉及其他信息。", measures => '我们已将其关闭。',
        advice => '请更改密码。', remedies => '我们提供身份监测服务。' },
);
my %announcement = (
    en => { title => 'We move', summary => "Our office moves.\n<b>Nothing</b> else changes." },
    'zh-CN' => { title => '我们搬迁', summary => "办公地点变更。\n<b>其他</b>不变。" },
);

sub slurp { my ($path) = @_; open my $in, '<:raw', $path or die "$path: $!"; local $/; return <$in> }
sub spew  { my ($path, $text) = @_; open my $out, '>:raw', $path or die "$path: $!"; print $out $text; close $out }


Browser::run('notices', publish => {
    urgent => sub { change($_[0], 'marketing', 0) },
    statistics => sub { change($_[0], 'analytics', 0) },
    lead => sub { change($_[0], 'marketing', 30) },
    withdrawal => \&withdraw,
    rights => sub { change($_[0], undef, 0, reduces_rights => JSON::PP::true, changes => [
        { kind => 'rights', purposes => [], summary => { 'zh-CN' => '答复期限延长。', en => 'We answer later.' } }]) },
    incident => sub { send_notice($_[0], 'incident', \%incident, '--all', '--public') },
    announcement => sub { send_notice($_[0], 'announcement', \%announcement) },
    retraction => sub { notice($_[0], 'retract', "n$sent", '--reason', 'It was a mistake.'); $sent++ },
});
