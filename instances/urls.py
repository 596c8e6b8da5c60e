from django.urls import path

from instances import actions, views

urlpatterns = [
    path("register", views.RegisterView.as_view(), name="register"),
    path("activate", views.ActivateView.as_view(), name="activate"),
    path("rotate", actions.RotateView.as_view(), name="rotate"),
    path("forget", actions.ForgetView.as_view(), name="forget"),
]
