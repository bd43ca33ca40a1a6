package Test::Privacy::Bundle;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A small bundle folder for specs. Purposes: necessary (sessionid, csrftoken), analytics (_ga, _ga_*), marketing
# (track_id), and one that is separate: profile (prof_*). Changes given to write() replace top-level fields of
# policy.json; texts => { 'zh-CN' => MARKDOWN, en => ... } replaces the texts. A version with changes takes effect now
# unless it says when; a summary that is one string stands for every language.
#
#     Test::Privacy::Bundle::write($folder, version => '2', changes => [...]);

use strict;
use warnings;
use utf8;

use File::Path qw(make_path);
use JSON::PP ();
use POSIX qw(strftime);


sub policy {
    my (%changes) = @_;

    my $later = @{$changes{changes} || []};
    my $languages = $changes{languages} || ['zh-CN', 'en'];
    $changes{changes} = [map { summed_up($_, $languages) } @{$changes{changes}}] if $later;

    return {
        version => '2026-01-01',
        effective => $later ? strftime('%Y-%m-%dT%H:%M:%SZ', gmtime) : '2026-01-01T00:00:00+08:00',
        languages => $languages,
        controller => { name => 'Example Ltd', mail => 'privacy@example.com' },
        choice_days => 180,
        minor_age => 14,
        purposes => purposes(),
        recipients => [],
        changes => [],
        reduces_rights => JSON::PP::false,
        %changes,
    };
}


sub summed_up {
    my ($change, $languages) = @_;

    my $summary = $change->{summary};
    return $change if !defined $summary || ref $summary;
    return { %$change, summary => { map { $_ => $summary } @$languages } };
}


sub purposes {
    return [
        purpose('necessary', 'Necessary', ['sessionid', 'csrftoken'], necessary => JSON::PP::true,
            exempt_reason => { 'zh-CN' => '网站运行所必需', en => 'The site does not work without.' }),
        purpose('analytics', 'Analytics', ['_ga', '_ga_*'], sources => ['stats.example.net']),
        purpose('marketing', 'Marketing', ['track_id'], sources => ['ads.example.net', '*.ads.example.net']),
        purpose('profile', 'Profile', ['prof_*'], separate => JSON::PP::true),
    ];
}


sub purpose {
    my ($id, $title, $cookies, %more) = @_;

    my %names = (Necessary => '必要', Analytics => '统计分析', Marketing => '广告营销', Profile => '个性化推荐');
    my $chinese = $names{$title} // $title;
    return {
        id => $id,
        title => { 'zh-CN' => $chinese, en => $title },
        text => { 'zh-CN' => "${chinese}的说明。", en => "What $id is for." },
        cookies => [map { ref $_ ? $_ : { name => $_ } } @$cookies],
        %more,
    };
}


sub write {
    my ($folder, %changes) = @_;

    my $texts = delete $changes{texts} || {
        'zh-CN' => "# 隐私政策\n\n我们如何处理您的个人信息。\n\n## 一、我们收集什么\n\n只收集必要的信息。\n",
        en => "# Privacy policy\n\nHow we handle your personal information.\n\n## What we collect\n\nOnly what is needed.\n",
    };

    make_path($folder);
    _put("$folder/policy.json", JSON::PP->new->utf8->canonical->pretty->encode(policy(%changes)));
    _put("$folder/policy.$_.md", _bytes($texts->{$_})) for keys %$texts;
    return $folder;
}


sub _bytes {
    my ($text) = @_;

    utf8::encode($text) if utf8::is_utf8($text);
    return $text;
}


sub _put {
    my ($path, $bytes) = @_;

    open my $out, '>:raw', $path or die "$path: $!";
    print $out $bytes;
    close $out or die "$path: $!";
}


1;
